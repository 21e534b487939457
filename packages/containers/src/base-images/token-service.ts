import { BlockList, isIP, isIPv4 } from "node:net";

/** What a registry says on its first page, read without a credential. */
export interface RegistryGreeting {
  /** Its `WWW-Authenticate`, of several all of them joined; empty where it asks for nothing. */
  readonly challenge: string;
  /** Of the registry, and of each host that the challenge names; none where a name is looked up by a proxy. */
  readonly addresses: Readonly<Record<string, readonly string[]>>;
}

/** Not of the world: an operator's own network, this machine, nobody. */
const INNER: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["224.0.0.0", 3],
  ["::", 127],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
];
const inner = new BlockList();
for (const [network, prefix] of INNER) inner.addSubnet(network, prefix, isIPv4(network) ? "ipv4" : "ipv6");

/** The addresses at which a registry says that tokens are had (distribution's spec of token authentication). Pure. */
export function realmsOf(challenge: string): readonly string[] {
  // Whatever follows a scheme belongs to it until the next one: a realm is its first parameter or a later one.
  return challenge
    .split(/(?=\b(?:bearer|basic|negotiate|digest)\s)/i)
    .filter((part) => /^bearer\s/i.test(part.trim()))
    .map((part) => {
      const found = /\brealm\s*=\s*(?:"([^"]*)"|([^\s,"]*))/i.exec(part);
      return found?.[1] ?? found?.[2] ?? "";
    });
}

/** The host that an address names; undefined where it is none that every client reads alike. */
export function hostOf(realm: string): string | undefined {
  const found = /^https?:\/\/(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?(?:[/?]|$)/i.exec(realm);
  return found?.[1]?.replace(/^\[|\]$/g, "").toLowerCase();
}

/**
 * Why a credential for the registry must not go to the token service that it names, in words that follow its name; undefined where it may.
 * A service of another name is common (Docker Hub and GitLab have one), so the name alone says nothing; but what came by TLS goes on by TLS, a
 * registry without it keeps tokens at its own host, and one that is out in the world has no service within. Pure.
 */
export function refusalOf(registry: string, isPlain: boolean, { challenge, addresses }: RegistryGreeting): string | undefined {
  const own = hostOf(`https://${registry}`);
  const isInner = (host: string) => [...(addresses[host] ?? []), ...(isIP(host) === 0 ? [] : [host])].some(isWithin);
  for (const realm of realmsOf(challenge)) {
    const host = hostOf(realm);
    if (host === undefined) return `names a token service that cannot be read (${realm.slice(0, 100)})`;
    if (!realm.toLowerCase().startsWith("https:")) {
      if (!isPlain) return `names a token service without TLS (${realm.slice(0, 100)})`;
      if (host !== own) return `names a token service without TLS at another host (${realm.slice(0, 100)})`;
    }
    if (host !== own && isInner(host) && !isInner(own ?? ""))
      return `names a token service at an address within a network (${realm.slice(0, 100)})`;
  }
  return undefined;
}

/** An IPv4 address in the clothes of IPv6 is told as what it is. */
function isWithin(address: string): boolean {
  return inner.check(address, isIPv4(address) ? "ipv4" : "ipv6");
}
