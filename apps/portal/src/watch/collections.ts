import type { Kind, Resource } from "@plimsoll/core";

/** Where lists live: the platform (its hosts), a team (its namespaces) or a namespace (all else). `scope` is the path of the object that owns it. */
export interface Collection {
  /** Path of the list below /api/v1: also its identity. */
  readonly path: string;
  readonly scope: string;
  readonly kind: Kind;
  /** Only objects of this app. */
  readonly app?: string | undefined;
}

const PLURALS = {
  hosts: "Host",
  namespaces: "Namespace",
  apps: "App",
  builds: "Build",
  releases: "Release",
  deployments: "Deployment",
  instances: "Instance",
  routes: "Route",
  events: "Event",
} as const satisfies Record<string, Kind>;
export type Plural = keyof typeof PLURALS;
export type KindOf<P extends Plural> = (typeof PLURALS)[P];

/** The platform has no object of its own: its lists lie at the top. */
export const PLATFORM_PATH = "";

export function teamPath(team: string): string {
  return `/teams/${encodeURIComponent(team)}`;
}

export function namespacePath(team: string, namespace: string): string {
  return `/namespaces/${encodeURIComponent(team)}/${encodeURIComponent(namespace)}`;
}

/** The list of a scope's objects, of one app where given. */
export function collection(scope: string, plural: Plural, app?: string): Collection {
  const path = `${scope}/${plural}${app === undefined ? "" : `?app=${encodeURIComponent(app)}`}`;
  return { path, scope, kind: PLURALS[plural], app };
}

/** Whether the list would hold this object. */
export function covers(list: Collection, object: Resource): boolean {
  if (object.metadata.kind !== list.kind) return false;
  return list.app === undefined || ("app" in object.spec && object.spec.app === list.app);
}
