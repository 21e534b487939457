import { run } from "@plimsoll/exec";
import { insideNetns, type Netns } from "./netns.ts";

/** `ip -j -d addr`: what we read of it. */
export interface Link {
  readonly ifname: string;
  readonly mtu: number;
  readonly address?: string;
  readonly flags: readonly string[];
  readonly addresses: readonly string[];
  /** VXLAN only. */
  readonly vxlan?: { readonly id: number; readonly local?: string; readonly port: number; readonly learning: boolean };
}

/** `ip -j route`: `dst` is `default`, an address (a /32) or a block. */
export interface Route {
  readonly dst: string;
  readonly type?: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly prefsrc?: string;
  readonly protocol?: string;
}

export interface Neighbour {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
  readonly state: readonly string[];
}

/** `bridge -j fdb`: where frames for a MAC address go. */
export interface FdbEntry {
  readonly mac: string;
  readonly ifname: string;
  readonly dst?: string;
  readonly state?: string;
}

/** Everything of one network namespace that our plans look at. */
export interface Observed {
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
  readonly neighbours: readonly Neighbour[];
  readonly fdb: readonly FdbEntry[];
}

export const NOTHING: Observed = { links: [], routes: [], neighbours: [], fdb: [] };

export async function observe(netns: Netns): Promise<Observed> {
  const [links, routes, neighbours, fdb] = await Promise.all([
    observeLinks(netns),
    observeRoutes(netns),
    readJson<Neighbour>(netns, ["ip", "-j", "-4", "neigh", "show", "nud", "permanent"]),
    readJson<FdbEntry>(netns, ["bridge", "-j", "fdb", "show"]),
  ]);
  return { links, routes, neighbours, fdb };
}

/** IPv4 routes of the main table. */
export function observeRoutes(netns: Netns, ...filter: readonly string[]): Promise<readonly Route[]> {
  return readJson<Route>(netns, ["ip", "-j", "-4", "route", "show", ...filter]);
}

interface RawLink {
  readonly ifname?: string;
  readonly mtu: number;
  readonly address?: string;
  readonly flags: readonly string[];
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: { readonly id?: number; readonly local?: string; readonly port?: number; readonly learning?: boolean };
  };
  readonly addr_info?: readonly { readonly family?: string; readonly local?: string; readonly prefixlen?: number }[];
}

export async function observeLinks(netns: Netns): Promise<readonly Link[]> {
  const raw = await readJson<RawLink>(netns, ["ip", "-j", "-d", "addr", "show"]);
  return raw.flatMap((link) => {
    if (link.ifname === undefined) return [];
    const data = link.linkinfo?.info_kind === "vxlan" ? link.linkinfo.info_data : undefined;
    return {
      ifname: link.ifname,
      mtu: link.mtu,
      flags: link.flags,
      addresses: (link.addr_info ?? []).filter((info) => info.family === "inet").map((info) => `${info.local}/${info.prefixlen}`),
      ...(link.address === undefined ? {} : { address: link.address }),
      ...(data === undefined ? {} : { vxlan: vxlanOf(data) }),
    };
  });
}

function vxlanOf(data: { readonly id?: number; readonly local?: string; readonly port?: number; readonly learning?: boolean }) {
  return {
    id: data.id ?? 0,
    port: data.port ?? 0,
    learning: data.learning ?? false,
    ...(data.local === undefined ? {} : { local: data.local }),
  };
}

async function readJson<T>(netns: Netns, argv: readonly string[]): Promise<readonly T[]> {
  const { stdout } = await run(insideNetns(netns, argv));
  // `ip -j` prints nothing at all for an empty table in some versions, and `[{},{…}]` where a filter skipped objects.
  const rows: unknown = stdout.trim() === "" ? [] : JSON.parse(stdout);
  return (rows as T[]).filter((row) => Object.keys(row as object).length > 0);
}
