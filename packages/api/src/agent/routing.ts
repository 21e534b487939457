import type { Routing } from "@plimsoll/contracts";
import type { Resource } from "@plimsoll/core";
import { backendId } from "@plimsoll/db";

/** What ingress hosts route: a backend for every process that a route leads to, with the instances that can be reached. Pure. */
export function assembleRouting(
  version: number,
  routes: readonly Resource<"Route">[],
  apps: readonly Resource<"App">[],
  instances: readonly Resource<"Instance">[],
): Routing {
  const appsByUid = new Map(apps.map((app) => [app.metadata.uid, app]));
  const endpointsByBackend = Map.groupBy(
    instances.flatMap((instance) => endpointOf(instance, appsByUid.get(instance.metadata.ownerUid ?? ""))),
    ({ backend }) => backend,
  );
  const backends = new Map<string, Routing["backends"][number]>();
  const hosts: Routing["routes"] = [];
  for (const { metadata, spec } of routes) {
    const app = appsByUid.get(metadata.ownerUid ?? "");
    if (app === undefined || metadata.deletedAt !== undefined) continue;
    const id = backendId(app.metadata.uid, spec.process);
    const endpoints = (endpointsByBackend.get(id) ?? []).map(({ endpoint }) => endpoint);
    hosts.push({ host: spec.host, backendId: id });
    backends.set(id, { id, state: backendState(app, endpoints), endpoints });
  }
  return { version, routes: hosts, backends: [...backends.values()] };
}

type Endpoint = Routing["backends"][number]["endpoints"][number];

/** Requests go to the release that serves and to nothing else: one that is still getting ready, or never gets it, sees none. */
function endpointOf(
  { metadata, spec, status }: Resource<"Instance">,
  app: Resource<"App"> | undefined,
): { backend: string; endpoint: Endpoint }[] {
  if (spec.desired === "running" && spec.release !== app?.status.release) return [];
  if (spec.desired === "stopped" || status.phase !== "ready" || status.address === undefined || spec.port === undefined) return [];
  const state = spec.desired === "draining" ? "draining" : "ready";
  const backend = backendId(metadata.ownerUid ?? "", spec.process);
  return [{ backend, endpoint: { id: metadata.uid, address: status.address, port: spec.port, state } }];
}

function backendState(app: Resource<"App">, endpoints: readonly Endpoint[]): "ready" | "deploying" | "empty" {
  if (endpoints.some(({ state }) => state === "ready")) return "ready";
  return app.status.phase === "deploying" ? "deploying" : "empty";
}
