import { z } from "zod";

/** Kinds of packages, named as package URLs name their types (https://github.com/package-url/purl-spec). */
export const PACKAGE_TYPES = ["deb", "apk", "npm", "pypi", "golang", "gem", "composer", "maven", "cargo"] as const;
export type PackageType = (typeof PACKAGE_TYPES)[number];

/** What is looked for in an image, for people: said where nothing was found. */
export const PACKAGE_SOURCES: Readonly<Record<PackageType, string>> = {
  deb: "Debian's dpkg database (also the status.d of distroless images)",
  apk: "Alpine's apk database",
  npm: "package.json in node_modules",
  pypi: "Python's dist-info and egg-info",
  golang: "what Go's linker writes into programs",
  gem: "Ruby's gemspecs",
  composer: "PHP's vendor/composer/installed.json",
  maven: "Java archives (pom.properties, MANIFEST.MF)",
  cargo: "what cargo-auditable writes into programs",
};

/** Bounds of a list: what comes from images of strangers is cut there, and a note says so. */
export const MOST_PACKAGES = 20_000;
export const MOST_PACKAGE_PATHS = 8;
export const MOST_PACKAGE_NOTES = 20;

/** A package that an image holds. */
export const ImagePackage = z.object({
  type: z.enum(PACKAGE_TYPES),
  name: z.string().min(1).max(300),
  /** Empty where the image does not say: a Go program's own module, say. */
  version: z.string().max(200),
  /** Its package URL; absent where the image does not say enough for one: a jar that names no group. */
  purl: z.string().max(2_000).optional(),
  /** As the package itself states it. */
  license: z.string().max(300).optional(),
  /** Files of the image that told of it, without leading slash, the first of them; `a.jar!b.jar` is one inside the other. */
  paths: z.array(z.string().max(1_200)).min(1).max(MOST_PACKAGE_PATHS),
  /** Further places that are not named. */
  morePaths: z.int().min(1).optional(),
});
export type ImagePackage = z.infer<typeof ImagePackage>;

/** Everything that is known of the packages in an image. */
export const PackageList = z.object({
  /** As its os-release names it: `Debian GNU/Linux 12 (bookworm)`. */
  distribution: z.string().max(300).optional(),
  packages: z.array(ImagePackage).max(MOST_PACKAGES),
  /** What could not be read, each a sentence. */
  notes: z.array(z.string().max(500)).max(MOST_PACKAGE_NOTES),
});
export type PackageList = z.infer<typeof PackageList>;
