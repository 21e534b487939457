import { run } from "@plimsoll/exec";
import { formatBlock, parseBlock } from "./ipv4.ts";
import { insideNetns, type Netns } from "./netns.ts";
import type { Outcome } from "./outcome.ts";

/** What a host lets through. Addresses and blocks are ours or the operator's, never a tenant's. */
export interface Firewall {
  readonly table: string;
  /** Prefix of every device behind which tenant code runs. */
  readonly tenantPrefix: string;
  readonly platformTunnel: string;
  /** The platform's network: instances and builds of all hosts. */
  readonly network: string;
  readonly vxlanPort: number;
  /** Underlay addresses of the other enrolled hosts: only they may send us VXLAN. */
  readonly enrolled: readonly string[];
  /** Where tenants may not go (blocks): other tenants, hosts, link-local and metadata, what the operator adds. */
  readonly forbidden: readonly string[];
  /** Resolvers: their port 53 is open to tenants wherever they are, even on a host or on a link-local address. */
  readonly resolvers: readonly string[];
}

/**
 * The whole table as one nft transaction: it replaces what is there without a moment in which less is guarded. Foreign traffic is left
 * to foreign rules: our chains judge only what comes from or goes to a device of ours.
 */
export function firewallScript(want: Firewall): string {
  const tenants = `"${want.tenantPrefix}*"`;
  const platform = `"${want.platformTunnel}"`;
  return `table inet ${want.table}
delete table inet ${want.table}
table inet ${want.table} {
  set enrolled { type ipv4_addr;${elements(want.enrolled)} }
  set resolvers { type ipv4_addr;${elements(want.resolvers)} }
  set forbidden { type ipv4_addr; flags interval; auto-merge;${elements(want.forbidden)} }

  chain input {
    type filter hook input priority filter; policy accept;
    udp dport ${want.vxlanPort} ip saddr != @enrolled drop
    udp dport ${want.vxlanPort} meta nfproto ipv6 drop
    iifname ${tenants} jump tenant_to_host
    iifname ${platform} jump platform_to_host
  }
  chain tenant_to_host {
    ct state established,related accept
    ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 accept
    drop
  }
  chain platform_to_host {
    ct state established,related accept
    icmp type echo-request accept
    drop
  }

  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname ${tenants} jump from_tenant
    oifname ${tenants} jump to_tenant
    iifname ${platform} drop
    oifname ${platform} drop
  }
  chain from_tenant {
    fib saddr . iif oif missing drop
    ct state established,related accept
    ct state invalid drop
    meta nfproto ipv6 drop
    ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 accept
    udp dport ${want.vxlanPort} drop
    oifname ${tenants} drop
    oifname ${platform} drop
    ip daddr @forbidden drop
    accept
  }
  chain to_tenant {
    iifname ${platform} accept
    ct state established,related accept
    drop
  }

  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname ${tenants} return
    oifname ${platform} return
    ip saddr ${want.network} masquerade
  }
}
`;
}

function elements(values: readonly string[]): string {
  // Through numbers and back: nothing but an address or a block can become a part of the script.
  const blocks = new Set(values.map((value) => formatBlock(parseBlock(value)).replace(/\/32$/, "")));
  return blocks.size === 0 ? "" : ` elements = { ${[...blocks].sort().join(", ")} };`;
}

/** What was last applied by this process, and what the kernel then showed: equal to both, nothing needs to be done. */
const applied = new Map<string, { readonly script: string; readonly shown: string }>();

/** Makes the table be what is wanted, also when someone changed it by hand. Idempotent; not for concurrent use on one table. */
export async function ensureFirewall(netns: Netns, want: Firewall): Promise<Outcome> {
  const key = `${netns ?? ""} ${want.table}`;
  const script = firewallScript(want);
  const before = await showTable(netns, want.table);
  const last = applied.get(key);
  if (last !== undefined && last.script === script && last.shown === before) return "unchanged";
  await run(insideNetns(netns, ["nft", "-f", "-"]), { stdin: script });
  const shown = await showTable(netns, want.table);
  applied.set(key, { script, shown: shown ?? "" });
  if (before === undefined) return "created";
  return before === shown ? "unchanged" : "replaced";
}

/** Idempotent. */
export async function removeFirewall(netns: Netns, table: string): Promise<void> {
  applied.delete(`${netns ?? ""} ${table}`);
  await run(insideNetns(netns, ["nft", "-f", "-"]), { stdin: `table inet ${table}\ndelete table inet ${table}\n` });
}

/** Tables of other agents that live in the same network namespace: their names differ from ours after the first underscore only. */
export async function otherFirewalls(netns: Netns, table: string): Promise<readonly string[]> {
  const { stdout } = await run(insideNetns(netns, ["nft", "-j", "list", "tables", "inet"]));
  const { nftables } = JSON.parse(stdout) as { readonly nftables: readonly { readonly table?: { readonly name: string } }[] };
  const family = table.slice(0, table.indexOf("_") + 1);
  return nftables.flatMap((item) => item.table?.name ?? []).filter((name) => name.startsWith(family) && name !== table);
}

/** The kernel's view without handles; undefined when there is no such table. */
async function showTable(netns: Netns, table: string): Promise<string | undefined> {
  const { code, stdout } = await run(insideNetns(netns, ["nft", "-j", "list", "table", "inet", table]), { okCodes: [0, 1] });
  if (code !== 0) return undefined;
  return JSON.stringify(JSON.parse(stdout), (name, value: unknown) => (name === "handle" ? undefined : value));
}
