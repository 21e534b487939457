import { lookup } from "node:dns/promises";
import { BlockList, isIP, isIPv4 } from "node:net";
import { AppError } from "@plimsoll/core";

/** Addresses that nobody's repository is at: this machine, its neighbours without a router, nobody, everybody. */
const NEVER: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["192.0.0.0", 24],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
  ["::", 127],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
  // What carries an IPv4 address inside, which would pass as something else.
  ["64:ff9b::", 96],
  ["2002::", 16],
  ["2001::", 32],
];

export interface AddressGuard {
  /** The address to talk to, which is allowed; `exempt`: by the operator. AppError `invalid` for what is the platform's own. */
  resolve(host: string): Promise<{ readonly address: string; readonly exempt: boolean }>;
}

export interface GuardOptions {
  /** Networks and addresses of the platform: `10.64.0.0/10`, `192.0.2.7`. */
  readonly denied: () => Promise<readonly string[]>;
  /** What the operator allows whatever else is said. */
  readonly allowed: readonly string[];
  /** Default: the system's resolver. */
  readonly look?: (host: string) => Promise<readonly string[]>;
}

/**
 * Keeps what tenants name away from the platform's own network. A name is resolved once, all of its addresses have to pass, and the one that
 * is answered is the one to connect to: a name that means something else a moment later changes nothing.
 */
export function createAddressGuard({ denied, allowed, look = resolveName }: GuardOptions): AddressGuard {
  const exempt = listOf(allowed);
  return {
    async resolve(host) {
      const addresses = isIP(host) === 0 ? await look(host) : [host];
      const own = listOf(await denied());
      for (const [network, prefix] of NEVER) own.addSubnet(network, prefix, isIPv4(network) ? "ipv4" : "ipv6");
      const [first] = addresses;
      if (first === undefined) throw new AppError("invalid", `${host} has no address.`);
      if (addresses.every((address) => contains(exempt, address))) return { address: first, exempt: true };
      if (addresses.some((address) => contains(own, address)))
        throw new AppError(
          "invalid",
          `${host} is an address of the platform itself, or of its machines' own network; nothing is fetched from there.`,
        );
      return { address: first, exempt: false };
    },
  };
}

async function resolveName(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true, order: "ipv4first" }).catch((cause: unknown) => {
    throw new AppError("invalid", `The name ${host} is not known.`, { cause });
  });
  return found.map(({ address }) => address);
}

/** Throws AppError `invalid` for what is no network and no address. */
export function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix] = network.trim().split("/");
    const family = isIP(address) === 4 ? "ipv4" : "ipv6";
    const bits = prefix === undefined ? undefined : Number(prefix);
    if (isIP(address) === 0 || (bits !== undefined && !(bits >= 0 && bits <= (family === "ipv4" ? 32 : 128))))
      throw new AppError("invalid", `${network} is no network, like 10.0.0.0/8, and no address.`);
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, bits, family);
  }
  return list;
}

function contains(list: BlockList, address: string): boolean {
  // ::ffff:127.0.0.1 is 127.0.0.1 to whoever connects.
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  const hexMapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(address);
  if (mapped !== undefined) return list.check(mapped, "ipv4");
  if (hexMapped !== null) {
    const [high, low] = [Number.parseInt(hexMapped[1] ?? "", 16), Number.parseInt(hexMapped[2] ?? "", 16)];
    return list.check(`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`, "ipv4");
  }
  return list.check(address, isIPv4(address) ? "ipv4" : "ipv6");
}
