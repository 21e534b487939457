import { NAME_PATTERN } from "@plimsoll/core";

/** A repository of the registry: each app has one, `<team>/<namespace>/<app>`, and there are no others. */
export interface RepositoryName {
  readonly team: string;
  readonly namespace: string;
  readonly app: string;
}

export type Action = "pull" | "push" | "delete";
const ACTIONS: readonly Action[] = ["pull", "push", "delete"];

export interface RepositoryScope {
  readonly repository: RepositoryName;
  readonly actions: readonly Action[];
}

/** Longer lists of scopes are no client's. */
const MAX_SCOPES = 16;
const TAG = /^[\w][\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const RELEASE = /^v([1-9]\d{0,8})$/;
const COMMIT = /^[0-9a-f]{40}$/;

/** Undefined for anything but three names, exactly as they are written. Pure. */
export function parseRepository(text: string): RepositoryName | undefined {
  const [team, namespace, app, ...rest] = text.split("/");
  if (team === undefined || namespace === undefined || app === undefined || rest.length > 0) return undefined;
  return [team, namespace, app].every((name) => NAME_PATTERN.test(name)) ? { team, namespace, app } : undefined;
}

export function repositoryText({ team, namespace, app }: RepositoryName): string {
  return `${team}/${namespace}/${app}`;
}

/**
 * The scopes that a client asks a token for (distribution's token scope: `repository:<name>:<action>,<action>`). What is no scope of a
 * repository here is left out, as that specification wants: the token is then good for less. Pure.
 */
export function parseScopes(texts: readonly string[]): readonly RepositoryScope[] {
  const scopes = new Map<string, RepositoryScope>();
  for (const text of texts.flatMap((one) => one.split(" ")).slice(0, MAX_SCOPES)) {
    const [type, name = "", wanted, ...rest] = text.split(":");
    const repository = rest.length > 0 || type !== "repository" ? undefined : parseRepository(name);
    if (repository === undefined || wanted === undefined) continue;
    const asked = wanted.split(",").flatMap((one) => (one === "*" ? ACTIONS : ACTIONS.filter((action) => action === one)));
    const actions = ACTIONS.filter((action) => asked.includes(action) || scopes.get(name)?.actions.includes(action));
    scopes.set(name, { repository, actions });
  }
  return [...scopes.values()];
}

/** What names a manifest: a tag that people pushed, a release by number or commit, or a digest. */
export type ManifestReference =
  | { readonly kind: "tag"; readonly tag: string }
  | { readonly kind: "release"; readonly number: number }
  | { readonly kind: "commit"; readonly commit: string }
  | { readonly kind: "digest"; readonly digest: string };

/** `v12` and whole commit ids are the platform's own: nobody pushes them. Undefined for what is neither a tag nor a digest. Pure. */
export function parseManifestReference(text: string): ManifestReference | undefined {
  if (DIGEST.test(text)) return { kind: "digest", digest: text };
  if (!TAG.test(text)) return undefined;
  const number = RELEASE.exec(text)?.[1];
  if (number !== undefined) return { kind: "release", number: Number(number) };
  return COMMIT.test(text) ? { kind: "commit", commit: text } : { kind: "tag", tag: text };
}

export interface PlatformReference {
  readonly repository: RepositoryName;
  /** Tag or digest. */
  readonly reference: string;
}

/**
 * Whether an image reference is of this platform's registry (`localhost:8080/team/namespace/app:tag`), and which. `malformed`: it is, and
 * names nothing that can be there. Pure.
 */
export function parsePlatformReference(text: string, platformOrigin: string): PlatformReference | "malformed" | undefined {
  const host = registryHost(platformOrigin);
  if (!text.startsWith(`${host}/`)) return undefined;
  const rest = text.slice(host.length + 1);
  const [name = "", digest] = rest.split("@");
  const colon = name.indexOf(":");
  const repository = parseRepository(colon === -1 ? name : name.slice(0, colon));
  const reference = digest ?? (colon === -1 ? "latest" : name.slice(colon + 1));
  return repository === undefined || parseManifestReference(reference) === undefined ? "malformed" : { repository, reference };
}

/** `localhost:8080`: the registry is where the portal is. */
export function registryHost(platformOrigin: string): string {
  return new URL(platformOrigin).host;
}
