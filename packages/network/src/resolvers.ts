import { readFile } from "node:fs/promises";
import { isIPv4 } from "node:net";
import { AppError } from "@plimsoll/core";
import { blockHas, parseAddress } from "./ipv4.ts";

/** Where the real resolvers stand when /etc/resolv.conf names a stub on loopback: systemd-resolved, NetworkManager, resolvconf. */
const RESOLVER_FILES = [
  "/etc/resolv.conf",
  "/run/systemd/resolve/resolv.conf",
  "/run/NetworkManager/no-stub-resolv.conf",
  "/run/dnsmasq/resolv.conf",
];
/** glibc reads no more (resolv.conf(5)). */
const MAX_NAMESERVERS = 3;

/**
 * The resolvers that the host really asks, as IPv4 addresses that instances and builds can be given: never a stub on loopback, which
 * means something else in there. Throws AppError `precondition_failed` when there are only such.
 */
export async function upstreamResolvers(files: readonly string[] = RESOLVER_FILES): Promise<readonly string[]> {
  for (const file of files) {
    const found = nameservers(await readIfThere(file)).filter((address) => !isLoopback(address));
    if (found.length > 0) return found.slice(0, MAX_NAMESERVERS);
  }
  throw new AppError(
    "precondition_failed",
    "This host names no DNS server but one on loopback, which instances cannot reach. Set PLIMSOLL_RESOLVERS to one and start again, " +
      `or as "nameserver" in ${files[0]}.`,
  );
}

/** IPv4 addresses of `nameserver` lines, in order. Anything else is passed over, as a resolver would. */
export function nameservers(resolvConf: string): readonly string[] {
  const found: string[] = [];
  for (const line of resolvConf.split("\n")) {
    const address = /^nameserver[ \t]+([0-9.]+)[ \t]*(?:[#;].*)?$/.exec(line.trimEnd())?.[1];
    if (address !== undefined && isIPv4(address) && !found.includes(address)) found.push(address);
  }
  return found;
}

/** `/etc/resolv.conf` of an instance or build. No search domain: the host's own is none of a tenant's business. */
export function resolvConf(resolvers: readonly string[]): string {
  return resolvers.map((address) => `nameserver ${address}\n`).join("");
}

function isLoopback(address: string): boolean {
  return blockHas({ first: parseAddress("127.0.0.0"), prefix: 8 }, parseAddress(address)) || address === "0.0.0.0";
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}
