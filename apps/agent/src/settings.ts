import { availableParallelism, totalmem } from "node:os";
import { resolve } from "node:path";
import type { SubstituteRule } from "@plimsoll/containers";
import { HOST_ROLES } from "@plimsoll/contracts";
import { AppError, readMirror, readRegistryHost } from "@plimsoll/core";
import { z } from "zod";

/** `a, b` as a list of what `item` takes. */
const list = <T extends z.ZodType<string, string>>(item: T) =>
  z.preprocess((text) => (typeof text === "string" ? text.split(",").map((one) => one.trim()) : text), z.array(item).optional());

/** Loopback is another machine in there: an instance's own. */
const resolver = z.ipv4().refine((address) => !address.startsWith("127."), "must be an address that instances can reach, not loopback");

/** `node:22*=node:bookworm`: references that match, and what is made for them from which Debian. `none`: nothing is. */
const substitute = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._/:*-]*=(debian|node|python|golang|rust):[a-z]{3,20}$/,
    "must be pattern=kind:suite, as in node:22*=node:bookworm",
  );

const registryHost = z
  .string()
  .refine((text) => attempt(() => readRegistryHost(text)) === text, "must be a registry's host, as in registry.example:5000");

/** Every setting of the agent, its environment variable, its default: the one place. */
const Environment = z.object({
  PLIMSOLL_DATA_DIR: z.string().min(1),
  PLIMSOLL_HOST_NAME: z
    .string()
    .regex(/^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/, "must be 1 to 40 of a-z, 0-9 and -")
    .default("this-host"),
  /** `unix:/path` on the server's own machine; `https://address:port` (mutual TLS) from others. */
  PLIMSOLL_API: z
    .string()
    .regex(/^(unix:\/|https:\/\/)/, "must be unix:/path or https://address:port; plain HTTP is refused off this machine"),
  /** Needed once, to be enrolled. */
  PLIMSOLL_ENROLL_TOKEN: z.string().optional(),
  /** Address that other hosts reach this one at; default: the source address of its default route. */
  PLIMSOLL_ADDRESS: z.ipv4().optional(),
  /** What of the roles that its token grants this host takes; default: all of them. */
  PLIMSOLL_ROLES: list(z.enum(HOST_ROLES)),
  PLIMSOLL_HTTP_PORT: z.coerce.number().int().min(1).max(65_535).default(8080),
  /** Address that the ingress listens on. */
  PLIMSOLL_HTTP_ADDRESS: z.string().default("127.0.0.1"),
  /** Where the ingress finds the portal and the API; absent on hosts that have neither. */
  PLIMSOLL_PORTAL_SOCKET: z.string().optional(),
  PLIMSOLL_API_SOCKET: z.string().optional(),
  /** A delegated cgroup subtree that ours goes below, on systemd hosts. */
  PLIMSOLL_CGROUP_PARENT: z.string().optional(),
  /** Certificate authorities that commands of builds trust, beside their image's own: where a proxy opens TLS. */
  PLIMSOLL_BUILD_CERTIFICATES: z.string().optional(),
  NODE_EXTRA_CA_CERTS: z.string().optional(),
  /** What layers that only the build cache keeps may take of the disk; half of it for one namespace. */
  PLIMSOLL_BUILD_CACHE_BYTES: z.coerce.number().int().min(0).optional(),
  /** What a build may read from this host's disk, and write to it, each second; 0: as much as it can. */
  PLIMSOLL_BUILD_IO_BYTES: z.coerce
    .number()
    .int()
    .min(0)
    .default(256 * 1024 ** 2),
  /** DNS servers for instances and builds, where those of the host cannot be found or are not for them. */
  PLIMSOLL_RESOLVERS: list(resolver),
  /** What stands in for base images whose registry cannot be reached; default: the built-in rules. */
  PLIMSOLL_SUBSTITUTES: z.union([z.literal("none").transform((): string[] => []), list(substitute)]),
  /** Mirrors for everybody, asked before the registry: `docker.io=mirror.example:5000`; several of one registry in their order. */
  PLIMSOLL_REGISTRY_MIRRORS: list(
    z.string().refine((text) => readMirrors([text]) !== undefined, "must be registry=mirror, as in docker.io=mirror.example:5000"),
  ),
  /** Registries on this machine or at an address of the platform's: they are reached from the host's own network, which others are not. */
  PLIMSOLL_REGISTRIES_ON_HOST: list(registryHost),
  /** Registries that are spoken to without TLS. */
  PLIMSOLL_REGISTRIES_PLAIN_HTTP: list(registryHost),
  /** What apps may use of this host; default: all cores, memory less a fifth (at least 1 GiB) for the system. */
  PLIMSOLL_CPU_MILLIS: z.coerce.number().int().min(100).optional(),
  PLIMSOLL_MEMORY_BYTES: z.coerce
    .number()
    .int()
    .min(64 * 1024 * 1024)
    .optional(),
});

export interface Settings {
  readonly dataDir: string;
  readonly hostName: string;
  readonly api: string;
  readonly enrollToken?: string;
  readonly address?: string;
  /** What of its enrolment token's roles it takes; absent: all. */
  readonly roles?: readonly (typeof HOST_ROLES)[number][];
  readonly httpPort: number;
  readonly httpAddress: string;
  readonly portalSocket?: string;
  readonly apiSocket?: string;
  readonly cgroupParent?: string;
  readonly buildCertificates?: string;
  /** What build cache layers may take of the disk; absent: a fifth of it. */
  readonly buildCacheBytes?: number;
  /** What a build may read and write each second; absent: no limit. */
  readonly buildIoBytesPerSecond?: number;
  /** DNS servers of instances and builds; absent: those that the host asks itself. */
  readonly resolvers?: readonly string[];
  /** What stands in for base images whose registry cannot be reached, the first that matches; absent: the built-in rules. */
  readonly substitutes?: readonly SubstituteRule[];
  /** The operator's: reached from the host's own network, spoken to without TLS, mirrored for everybody. */
  readonly registries: {
    readonly onHost?: readonly string[];
    readonly plainHttp?: readonly string[];
    readonly mirrors?: Readonly<Record<string, readonly string[]>>;
  };
  readonly capacity: { readonly cpuMillis: number; readonly memoryBytes: number };
}

/** Reads the settings; AppError `invalid` names every variable that is missing or wrong. */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ");
    throw new AppError("invalid", `The agent's environment is not complete: ${wrong}`);
  }
  const env = parsed.data;
  return {
    dataDir: resolve(env.PLIMSOLL_DATA_DIR),
    hostName: env.PLIMSOLL_HOST_NAME,
    api: env.PLIMSOLL_API,
    ...optional("enrollToken", env.PLIMSOLL_ENROLL_TOKEN),
    ...optional("address", env.PLIMSOLL_ADDRESS),
    ...(env.PLIMSOLL_ROLES === undefined ? {} : { roles: env.PLIMSOLL_ROLES }),
    httpPort: env.PLIMSOLL_HTTP_PORT,
    httpAddress: env.PLIMSOLL_HTTP_ADDRESS,
    ...optional("portalSocket", env.PLIMSOLL_PORTAL_SOCKET),
    ...optional("apiSocket", env.PLIMSOLL_API_SOCKET),
    ...optional("cgroupParent", env.PLIMSOLL_CGROUP_PARENT),
    // The operator's own trust is good for their builds too.
    ...optional("buildCertificates", env.PLIMSOLL_BUILD_CERTIFICATES ?? env.NODE_EXTRA_CA_CERTS),
    ...(env.PLIMSOLL_BUILD_IO_BYTES === 0 ? {} : { buildIoBytesPerSecond: env.PLIMSOLL_BUILD_IO_BYTES }),
    ...optional("buildCacheBytes", env.PLIMSOLL_BUILD_CACHE_BYTES),
    ...optional("resolvers", env.PLIMSOLL_RESOLVERS),
    ...optional("substitutes", env.PLIMSOLL_SUBSTITUTES?.map(readSubstitute)),
    registries: {
      ...optional("onHost", env.PLIMSOLL_REGISTRIES_ON_HOST),
      ...optional("plainHttp", env.PLIMSOLL_REGISTRIES_PLAIN_HTTP),
      ...optional("mirrors", readMirrors(env.PLIMSOLL_REGISTRY_MIRRORS ?? [])),
    },
    capacity: {
      cpuMillis: env.PLIMSOLL_CPU_MILLIS ?? availableParallelism() * 1_000,
      memoryBytes: env.PLIMSOLL_MEMORY_BYTES ?? totalmem() - Math.max(1024 ** 3, Math.floor(totalmem() / 5)),
    },
  };
}

/** A text of that form: the last `=` parts it, as a pattern has none. */
function readSubstitute(text: string): SubstituteRule {
  const [match = "", made = ""] = text.split("=");
  const [kind, suite = ""] = made.split(":");
  return { match, make: { kind: kind as SubstituteRule["make"]["kind"], suite } };
}

/** `registry=mirror` as mirrors by registry; undefined where one is none. */
function readMirrors(texts: readonly string[]): Readonly<Record<string, readonly string[]>> | undefined {
  return attempt(() => {
    const mirrors: Record<string, string[]> = {};
    for (const text of texts) {
      const [registry = "", mirror = ""] = text.split("=", 2);
      const { host, path } = readMirror(mirror);
      const known = readRegistryHost(registry);
      mirrors[known] = [...(mirrors[known] ?? []), `${host}${path}`];
    }
    return mirrors;
  });
}

/** Undefined where it is refused. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined || value === "" ? {} : ({ [key]: value } as { [P in K]: V });
}
