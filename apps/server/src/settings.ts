import { resolve } from "node:path";
import { AppError } from "@plimsoll/core";
import { z } from "zod";

const port = z.coerce.number().int().min(1).max(65_535);

/** Every setting of the server, its environment variable, its default: the one place. */
const Environment = z.object({
  PLIMSOLL_DATA_DIR: z.string().min(1),
  DATABASE_URL: z.string().min(1),
  REDIS_URL: z.string().min(1),
  /** Unix socket that the API answers on; the ingress and the local agent connect here. */
  PLIMSOLL_API_SOCKET: z.string().min(1),
  /** docker-registry's unix socket; absent: no registry. */
  PLIMSOLL_REGISTRY_SOCKET: z.string().optional(),
  /** What one namespace may have in the registry. */
  PLIMSOLL_REGISTRY_BYTES: z.coerce
    .number()
    .int()
    .min(0)
    .default(10 * 1024 ** 3),
  PLIMSOLL_HTTP_PORT: port.default(8080),
  PLIMSOLL_SSH_PORT: port.default(2222),
  PLIMSOLL_SSH_ADDRESS: z.string().default("127.0.0.1"),
  /** Where the portal is reached; its origin is the only one whose unsafe requests are taken. */
  PLIMSOLL_PLATFORM_DOMAIN: z.string().default("localhost"),
  PLIMSOLL_APPS_DOMAIN: z.string().default("localhost"),
  /** `address:port` where agents of other hosts connect with mutual TLS; absent: this machine only. */
  PLIMSOLL_AGENT_LISTEN: z.string().optional(),
  /** Networks that connected repositories may be fetched from although they are the platform's own, and without TLS: with commas. */
  PLIMSOLL_GIT_FETCH_ALLOW: z.string().default(""),
  /** Name of this installation's keys in Redis. */
  PLIMSOLL_QUEUE_PREFIX: z.string().default("plimsoll"),
});

export interface Settings {
  readonly dataDir: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly apiSocket: string;
  /** docker-registry's unix socket, and what one namespace may have there. */
  readonly registry?: { readonly socketPath: string; readonly namespaceBytes: number };
  readonly httpPort: number;
  readonly sshPort: number;
  readonly sshAddress: string;
  readonly platformDomain: string;
  readonly appsDomain: string;
  /** `http://localhost:8080` */
  readonly platformOrigin: string;
  readonly agentListen?: { readonly host: string; readonly port: number };
  readonly queuePrefix: string;
  readonly gitFetchAllow: readonly string[];
}

/** Reads the settings; AppError `invalid` names every variable that is missing or wrong. */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ");
    throw new AppError("invalid", `The server's environment is not complete: ${wrong}. \`npm start\` sets it.`);
  }
  const env = parsed.data;
  const loopback = env.PLIMSOLL_PLATFORM_DOMAIN === "localhost";
  return {
    dataDir: resolve(env.PLIMSOLL_DATA_DIR),
    databaseUrl: env.DATABASE_URL,
    redisUrl: env.REDIS_URL,
    apiSocket: env.PLIMSOLL_API_SOCKET,
    ...(env.PLIMSOLL_REGISTRY_SOCKET === undefined
      ? {}
      : { registry: { socketPath: env.PLIMSOLL_REGISTRY_SOCKET, namespaceBytes: env.PLIMSOLL_REGISTRY_BYTES } }),
    httpPort: env.PLIMSOLL_HTTP_PORT,
    sshPort: env.PLIMSOLL_SSH_PORT,
    sshAddress: env.PLIMSOLL_SSH_ADDRESS,
    platformDomain: env.PLIMSOLL_PLATFORM_DOMAIN,
    appsDomain: env.PLIMSOLL_APPS_DOMAIN,
    platformOrigin: loopback ? `http://localhost:${env.PLIMSOLL_HTTP_PORT}` : `https://${env.PLIMSOLL_PLATFORM_DOMAIN}`,
    ...(env.PLIMSOLL_AGENT_LISTEN === undefined ? {} : { agentListen: parseListen(env.PLIMSOLL_AGENT_LISTEN) }),
    queuePrefix: env.PLIMSOLL_QUEUE_PREFIX,
    gitFetchAllow: env.PLIMSOLL_GIT_FETCH_ALLOW.split(",").filter((network) => network.trim() !== ""),
  };
}

function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || match === null)
    throw new AppError("invalid", `PLIMSOLL_AGENT_LISTEN is \`${text}\`; give address:port, for example 10.0.0.1:7443.`);
  return { host, port: Number(match[3]) };
}
