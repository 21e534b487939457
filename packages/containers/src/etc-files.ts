/** Who a container finds by name without asking anybody. */
export interface HostEntry {
  readonly address: string;
  readonly names: readonly string[];
}

export interface ResolverConfig {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** The files below /etc that a container gets from the platform and not from its image. Pure. */
export function etcFiles(container: {
  readonly hostname: string;
  readonly hosts: readonly HostEntry[];
  readonly resolver: ResolverConfig;
}): Readonly<Record<"hosts" | "hostname" | "resolv.conf", string>> {
  const entries: readonly HostEntry[] = [
    { address: "127.0.0.1", names: ["localhost"] },
    { address: "::1", names: ["localhost", "ip6-localhost", "ip6-loopback"] },
    ...container.hosts,
  ];
  const { nameservers, search, options } = container.resolver;
  return {
    hosts: lines(entries.map(({ address, names }) => [address, ...names])),
    hostname: lines([[container.hostname]]),
    "resolv.conf": lines([
      ...nameservers.map((server) => ["nameserver", server]),
      ...(search.length > 0 ? [["search", ...search]] : []),
      ...(options.length > 0 ? [["options", ...options]] : []),
    ]),
  };
}

/** White space in a word would begin another one. */
function lines(rows: readonly (readonly string[])[]): string {
  return rows.map((words) => `${words.map((word) => word.replace(/\s/g, "")).join(" ")}\n`).join("");
}
