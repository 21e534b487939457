import {
  type Action,
  type ManifestReference,
  parseManifestReference,
  parseRepository,
  type RepositoryName,
  repositoryText,
} from "./repository.ts";

/** What a request is about: the paths of the distribution specification that are served, written exactly so. */
export type Target =
  | { readonly kind: "base" }
  | { readonly kind: "tags"; readonly repository: RepositoryName }
  | { readonly kind: "manifest"; readonly repository: RepositoryName; readonly reference: ManifestReference; readonly text: string }
  | { readonly kind: "blob"; readonly repository: RepositoryName; readonly digest: string }
  | { readonly kind: "uploads"; readonly repository: RepositoryName }
  | { readonly kind: "upload"; readonly repository: RepositoryName; readonly path: string };

/** Undefined for everything else: other names, other spellings of these, `_catalog`. Pure. */
export function parseTarget(path: string): Target | undefined {
  if (path === "/v2/" || path === "/v2") return { kind: "base" };
  const [, name = "", rest = ""] = /^\/v2\/([a-z0-9-]+\/[a-z0-9-]+\/[a-z0-9-]+)\/(.+)$/.exec(path) ?? [];
  const repository = parseRepository(name);
  if (repository === undefined) return undefined;
  if (rest === "tags/list") return { kind: "tags", repository };
  if (rest === "blobs/uploads/") return { kind: "uploads", repository };
  const [, part, id = ""] = /^(manifests|blobs\/uploads|blobs)\/([^/]+)$/.exec(rest) ?? [];
  if (part === "blobs/uploads") return /^[A-Za-z0-9_.=-]{1,128}$/.test(id) ? { kind: "upload", repository, path } : undefined;
  const reference = parseManifestReference(id);
  if (part === "manifests" && reference !== undefined) return { kind: "manifest", repository, reference, text: id };
  return part === "blobs" && reference?.kind === "digest" ? { kind: "blob", repository, digest: reference.digest } : undefined;
}

/** What a method needs at a target; undefined where it is not taken. Pure. */
export function actionOf(target: Target, method: string): Action | "any" | undefined {
  const reads = method === "GET" || method === "HEAD";
  switch (target.kind) {
    case "base":
      return reads ? "any" : undefined;
    case "tags":
    case "blob":
      return reads ? "pull" : undefined;
    case "manifest":
      return reads ? "pull" : method === "PUT" ? "push" : method === "DELETE" ? "delete" : undefined;
    case "uploads":
      return method === "POST" ? "push" : undefined;
    case "upload":
      return ["GET", "PATCH", "PUT", "DELETE"].includes(method) ? "push" : undefined;
  }
}

/** Its path, as docker-registry takes it. Pure. */
export function pathOf(target: Exclude<Target, { kind: "base" | "tags" }>): string {
  const base = `/v2/${repositoryText(target.repository)}`;
  switch (target.kind) {
    case "manifest":
      return `${base}/manifests/${target.text}`;
    case "blob":
      return `${base}/blobs/${target.digest}`;
    case "uploads":
      return `${base}/blobs/uploads/`;
    case "upload":
      return target.path;
  }
}
