import { createHash } from "node:crypto";
import type { Resource, Spec } from "@plimsoll/core";
import type { ControllerSettings } from "../ports.ts";

/** Labels that are the platform's own, below whatever domain (names of apps in namespaces always hold a dash; these may not be claimed). */
const RESERVED_LABELS = new Set(["www", "api", "git", "portal", "admin", "registry", "plimsoll", "localhost", "mail", "ns1", "ns2"]);
/** RFC 1035 2.3.4. */
const LABEL_MAX = 63;
const HASH_LENGTH = 8;

/**
 * Host names for an app, best first: `<app>-<namespace>`, then with a hash that is the app's own, so that the second one can only be
 * taken by itself. Labels that are too long or the platform's have the hash from the start.
 */
export function routeHosts(app: Resource<"App">, { appsDomain, reservedHosts = [] }: ControllerSettings): readonly string[] {
  const label = `${app.metadata.name}-${app.metadata.namespace}`;
  const hash = createHash("sha256").update(app.metadata.uid).digest("hex").slice(0, HASH_LENGTH);
  const hashed = `${label.slice(0, LABEL_MAX - HASH_LENGTH - 1).replace(/-+$/, "")}-${hash}.${appsDomain}`;
  const plain = `${label}.${appsDomain}`;
  const usable = label.length <= LABEL_MAX && !RESERVED_LABELS.has(label) && !reservedHosts.includes(plain);
  return usable ? [plain, hashed] : [hashed];
}

/** The process that a route leads to: `web`, or else the first by name that has a port. */
export function routedProcess(spec: Pick<Spec<"App">, "processes"> | Pick<Spec<"Release">, "processes">): string | undefined {
  const withPort = Object.keys(spec.processes)
    .filter((name) => spec.processes[name]?.port !== undefined)
    .sort();
  return withPort.includes("web") ? "web" : withPort[0];
}

export function urlOf(host: string, { appsScheme, appsPort }: ControllerSettings): string {
  const usual = appsScheme === "https" ? 443 : 80;
  return `${appsScheme}://${host}${appsPort === undefined || appsPort === usual ? "" : `:${appsPort}`}`;
}
