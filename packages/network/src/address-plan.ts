import { AppError } from "@plimsoll/core";
import { type Block, blockHas, blockSize, blocksOverlap, formatAddress, formatBlock, parseAddress, parseBlock } from "./ipv4.ts";

/**
 * Where every address of the platform comes from. It needs no allocator: the host's index fixes its range, and an instance takes any
 * free address of its host's range. Install settings, equal on all hosts.
 */
export interface AddressPlan {
  /** Instances and builds; host i owns the i-th block of `hostPrefix` bits. */
  readonly network: Block;
  readonly hostPrefix: number;
  /** What hosts speak from to instances (ingress, probes, metrics): one address per host, in no instance's range. */
  readonly sourceNetwork: Block;
}

export const DEFAULT_NETWORK = "10.64.0.0/10";
export const DEFAULT_SOURCE_NETWORK = "100.64.0.0/16";
/** 4,093 instances a host; 1,008 hosts in the default network. */
const HOST_PREFIX = 20;

/** Throws AppError `invalid` when the networks overlap or are too small. */
export function addressPlan(settings: { readonly network?: string; readonly sourceNetwork?: string } = {}): AddressPlan {
  const network = parseBlock(settings.network ?? DEFAULT_NETWORK);
  const sourceNetwork = parseBlock(settings.sourceNetwork ?? DEFAULT_SOURCE_NETWORK);
  if (network.prefix > HOST_PREFIX)
    throw new AppError(
      "invalid",
      `The platform's network ${formatBlock(network)} holds no host range: it must be a /${HOST_PREFIX} or larger`,
    );
  if (blocksOverlap(network, sourceNetwork))
    throw new AppError(
      "invalid",
      `The platform's network ${formatBlock(network)} and its source network ${formatBlock(sourceNetwork)} overlap`,
    );
  return { network, hostPrefix: HOST_PREFIX, sourceNetwork };
}

/**
 * Hosts that both networks have room for; indexes run from 0. The last /16 of a network of /12 or larger is kept free for the virtual IPs
 * of services (10.127.0.0/16 by default). MAC addresses carry 16 bits of index.
 */
export function hostCapacity(plan: AddressPlan): number {
  const reserved = plan.network.prefix <= 12 ? 2 ** (plan.hostPrefix - 16) : 0;
  return Math.min(2 ** (plan.hostPrefix - plan.network.prefix) - reserved, blockSize(plan.sourceNetwork) - 2, 65_536);
}

/** The addresses of one host. Throws AppError `invalid` when the plan has no such host. */
export function hostRange(plan: AddressPlan, index: number): Block {
  if (!Number.isInteger(index) || index < 0 || index >= hostCapacity(plan))
    throw new AppError("invalid", `The platform's network has room for ${hostCapacity(plan)} hosts; there is no host number ${index}`);
  return { first: plan.network.first + index * 2 ** (32 - plan.hostPrefix), prefix: plan.hostPrefix };
}

/** The host's end of every namespace's VXLAN: the first address of its range, the next hop of its peers. */
export function tunnelAddress(plan: AddressPlan, index: number): string {
  return formatAddress(hostRange(plan, index).first + 1);
}

/** What the host speaks from when it talks to instances. */
export function sourceAddress(plan: AddressPlan, index: number): string {
  hostRange(plan, index);
  return formatAddress(plan.sourceNetwork.first + index + 1);
}

/** MAC address of a host's end of a VXLAN: peers know it without asking. Locally administered. */
export function tunnelMac(vni: number, index: number): string {
  return macOf([0x02, vni >>> 16, vni >>> 8, vni, index >>> 8, index]);
}

/** MAC address of an instance's `eth0`: the neighbour entry for it can be made before it exists. */
export function instanceMac(address: string): string {
  const value = parseAddress(address);
  return macOf([0x0a, 0x58, value >>> 24, value >>> 16, value >>> 8, value]);
}

/**
 * A free address of the host's range: the next one after `after` (the one given out last), so that an address rests before it is used
 * again – connections and caches of its last holder must not find the next one. Undefined when the range is full.
 */
export function freeAddress(plan: AddressPlan, index: number, inUse: Iterable<string>, after?: string): string | undefined {
  const range = hostRange(plan, index);
  const taken = new Set(inUse);
  // Left out: the network's own address, the tunnel's, and the last one, which programs take for a broadcast.
  const first = range.first + 2;
  const count = blockSize(range) - 3;
  const last = after === undefined ? first - 1 : parseAddress(after);
  const start = blockHas(range, last) ? Math.max(0, last + 1 - first) : 0;
  for (let i = 0; i < count; i++) {
    const candidate = formatAddress(first + ((start + i) % count));
    if (!taken.has(candidate)) return candidate;
  }
  return undefined;
}

function macOf(bytes: readonly number[]): string {
  return bytes.map((byte) => (byte & 255).toString(16).padStart(2, "0")).join(":");
}
