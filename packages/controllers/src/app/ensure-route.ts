import { AppError, type Resource } from "@plimsoll/core";
import { changeRouting, type Tx } from "@plimsoll/db";
import type { ControllerSettings } from "../ports.ts";
import { namespaceOf } from "./apply-rollout.ts";
import { routedProcess, routeHosts } from "./route-host.ts";

/** A route has to be made for this app. */
export function needsRoute(app: Resource<"App">, routes: readonly Resource<"Route">[]): boolean {
  return routes.length === 0 && routedProcess(app.spec) !== undefined;
}

/**
 * Routes to a process that the serving release does not have, or has without a port, and where they are to lead instead; none where nothing
 * of it has one. Pure.
 */
export function strayRoutes(
  routes: readonly Resource<"Route">[],
  serving: Resource<"Release"> | undefined,
): readonly { readonly route: Resource<"Route">; readonly process: string }[] {
  const process = serving === undefined ? undefined : routedProcess(serving.spec);
  if (process === undefined) return [];
  return routes.filter(({ spec }) => serving?.spec.processes[spec.process]?.port === undefined).map((route) => ({ route, process }));
}

/** Makes the app's route under the first host name that is free, and claims that name. In the caller's transaction. */
export async function createRoute(tx: Tx, app: Resource<"App">, settings: ControllerSettings): Promise<Resource<"Route">> {
  const process = routedProcess(app.spec);
  const candidates = routeHosts(app, settings);
  const [first] = candidates;
  if (process === undefined || first === undefined) throw new AppError("internal", `App ${app.metadata.name} has nothing to route to.`);
  const route = await tx.objects.create({
    kind: "Route",
    name: app.metadata.name,
    namespace: namespaceOf(app),
    ownerUid: app.metadata.uid,
    spec: { host: first, app: app.metadata.name, process },
    status: {},
  });
  for (const host of candidates) {
    if (!(await tx.platform.claimRouteHost(host, route.metadata.uid))) continue;
    await changeRouting(tx);
    return tx.objects.updateSpec(route, { ...route.spec, host });
  }
  throw new AppError("conflict", `No host name is left for app ${app.metadata.name}; give it another name.`, { retry: "never" });
}
