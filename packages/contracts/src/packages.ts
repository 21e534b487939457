import { DigestSchema, ImagePackage, PACKAGE_TYPES, PackageList } from "@plimsoll/core";
import { z } from "zod";

/** What a host says of the packages in an image that it was to list; no list: it does not have the image any more. */
export const PackageReport = z.object({ list: PackageList.optional() });

/** The packages of the image that a build made or a release runs. */
export const ImagePackages = z.object({
  image: DigestSchema,
  state: z
    .enum(["listed", "pending", "unknown"])
    .describe("`pending`: its host is about to list them; `unknown`: they were not listed, and nobody is about to"),
  listedAt: z.string().optional(),
  distribution: z.string().optional().describe("as the image's os-release names it"),
  counts: z.array(z.object({ type: z.enum(PACKAGE_TYPES), count: z.int() })).describe("of each kind that there is"),
  packages: z.array(ImagePackage),
  notes: z.array(z.string()).describe("what could not be read"),
  lookedFor: z.array(z.object({ type: z.enum(PACKAGE_TYPES), what: z.string() })).describe("what is looked for in every image"),
});
export type ImagePackages = z.infer<typeof ImagePackages>;
