import type { DesiredIngress } from "./desired.ts";
import { checkedAddress, checkedHost, checkedId, checkedPort, type IngressPaths } from "./render.ts";
import type { RuntimeServer } from "./runtime.ts";

export interface ObservedIngress {
  readonly servers: readonly RuntimeServer[];
  readonly hosts: ReadonlyMap<string, string>;
  readonly states: ReadonlyMap<string, string>;
}

export interface RuntimeChanges {
  /** Each must be answered without complaint. */
  readonly commands: readonly string[];
  /** Whether an endpoint that took requests takes no new ones from now on. */
  readonly withdrawn: boolean;
  /** Servers that are out and may be deleted once nothing uses them: a refusal means later. */
  readonly deletions: readonly string[];
}

/**
 * Pure: commands that turn what a running worker does into what is desired, of the same structure. What takes requests is added before
 * what stops taking them is taken out, so that at no moment fewer endpoints serve than both states have.
 */
export function planChanges(
  desired: DesiredIngress,
  observed: ObservedIngress,
  paths: Pick<IngressPaths, "hostMap" | "stateMap">,
): RuntimeChanges {
  const additions: string[] = [];
  const removals: string[] = [];
  const deletions: string[] = [];
  for (const backend of desired.backends) {
    const have = new Map(observed.servers.filter((server) => server.backend === backend.id).map((server) => [server.name, server]));
    for (const { id, address, port, state } of backend.endpoints) {
      const server = have.get(id);
      const name = `${checkedId(backend.id)}/${checkedId(id)}`;
      const endpoint = `${checkedAddress(address)}:${checkedPort(port)}`;
      have.delete(id);
      if (state === "draining") {
        if (server?.enabled) removals.push(`set server ${name} state drain`);
      } else if (server === undefined) additions.push(`add server ${name} ${endpoint}`, `enable server ${name}`);
      else {
        if (server.endpoint !== endpoint) additions.push(`set server ${name} addr ${address} port ${port}`);
        if (!server.enabled) additions.push(`set server ${name} state ready`);
      }
    }
    for (const [id, server] of have) {
      const name = `${checkedId(backend.id)}/${checkedId(id)}`;
      if (!server.isOut) removals.push(`set server ${name} state maint`);
      deletions.push(`del server ${name}`);
    }
  }
  const maps = [
    ...planMap(
      paths.hostMap,
      new Map(desired.routes.map(({ host, backendId }) => [checkedHost(host), checkedId(backendId)])),
      observed.hosts,
    ),
    ...planMap(paths.stateMap, new Map(desired.backends.map(({ id, state }) => [checkedId(id), state])), observed.states),
  ];
  return { commands: [...additions, ...maps, ...removals], withdrawn: removals.length > 0, deletions };
}

function planMap(file: string, desired: ReadonlyMap<string, string>, observed: ReadonlyMap<string, string>): readonly string[] {
  const commands: string[] = [];
  for (const [key, value] of desired) {
    if (!observed.has(key)) commands.push(`add map ${file} ${key} ${value}`);
    else if (observed.get(key) !== value) commands.push(`set map ${file} ${key} ${value}`);
  }
  for (const key of observed.keys()) if (!desired.has(key)) commands.push(`del map ${file} ${key}`);
  return commands;
}
