import { namespacePath } from "#watch/collections.ts";

export interface NamespaceRef {
  readonly team: string;
  readonly namespace: string;
}

/** Where a namespace's credential or mirrors of a registry are. */
export function registryPath({ team, namespace }: NamespaceRef, registry: string, part: "credential" | "mirrors"): string {
  return `${namespacePath(team, namespace)}/registries/${encodeURIComponent(registry.trim())}/${part}`;
}
