import { ImagePackages } from "@plimsoll/contracts";
import { z } from "zod";
import { route } from "../http/route.ts";
import { answerPackages } from "../packages/packages.ts";

const PackagesQuery = z.object({
  format: z
    .enum(["json", "cyclonedx"])
    .optional()
    .describe("`cyclonedx`: a CycloneDX 1.6 document, as with `Accept: application/vnd.cyclonedx+json`; absent: as the header says"),
});

export const releasePackages = route({
  method: "GET",
  path: "/api/v1/namespaces/:team/:namespace/releases/:name/packages",
  permission: "releases.read",
  summary: "The packages in a release's image: names, versions and licences (SBOM)",
  query: PackagesQuery,
  responses: { 200: ImagePackages },
  errors: ["not_found", "unavailable"],
  handler: async ({ api, caller, namespace, params, query, request }) => {
    const release = await api.db.objects(caller.scope).getByName("Release", namespace.metadata.uid, params.name);
    return answerPackages(api.db, { ...asked(query, request), image: release.spec.image.digest, named: params.name });
  },
});

export const buildPackages = route({
  method: "GET",
  path: "/api/v1/namespaces/:team/:namespace/builds/:name/packages",
  permission: "builds.read",
  summary: "The packages in the image that a build made (SBOM)",
  query: PackagesQuery,
  responses: { 200: ImagePackages },
  errors: ["not_found", "unavailable"],
  handler: async ({ api, caller, namespace, params, query, request }) => {
    const build = await api.db.objects(caller.scope).getByName("Build", namespace.metadata.uid, params.name);
    return answerPackages(api.db, { ...asked(query, request), image: build.status.image?.digest, named: params.name });
  },
});

function asked({ format }: z.output<typeof PackagesQuery>, request: Request) {
  return { format, accept: request.headers.get("accept") ?? "" };
}
