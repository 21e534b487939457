import type { Kind } from "@plimsoll/core";
import { to } from "#shell/links.ts";

/** The page of what an event is about, undefined where it has none. `apps` are the namespace's: a name alone does not say where its app ends. */
export function placeOf(
  about: { readonly kind: Kind; readonly name: string },
  team: string,
  namespace: string,
  apps: readonly string[],
): string | undefined {
  if (about.kind === "Namespace") return to.quota(team, namespace);
  const app = apps.filter((one) => about.name === one || about.name.startsWith(`${one}-`)).sort((a, b) => b.length - a.length)[0];
  if (app === undefined) return undefined;
  switch (about.kind) {
    case "App":
    case "Route":
      return to.app(team, namespace, app);
    case "Release":
      return to.deployments(team, namespace, app);
    case "Build":
      return to.build(team, namespace, app, about.name);
    case "Deployment":
      return to.deployment(team, namespace, app, about.name);
    case "Instance":
      return to.instance(team, namespace, app, about.name);
    default:
      return undefined;
  }
}
