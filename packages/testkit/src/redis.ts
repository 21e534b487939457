import { join } from "node:path";
import { Redis } from "ioredis";
import { privateDirectory, startPrivate, whenReady } from "./private-process.ts";

/** A private Redis for tests, on a unix socket only. */
export interface TestRedis {
  readonly pid: number;
  readonly socketPath: string;
  /** For ioredis and REDIS_URL: `unix:///…/redis.sock`. */
  readonly url: string;
  /** Ends it with kill -9, as a test of recovery wants it. */
  kill(): Promise<void>;
  /** Ends it and deletes its data. Idempotent. */
  stop(): Promise<void>;
}

/** Names the server that the test run's set-up has started, for every test file. Its tests use key prefixes of their own. */
export const TEST_REDIS_VARIABLE = "PLIMSOLL_TEST_REDIS";

/**
 * Starts a private Redis (about 20 ms), in memory only; its append-only file is on with `appendOnly`. `settings` go to its
 * command line as they are. The caller stops it; it also ends when this process dies.
 */
export async function startTestRedis(
  options: { readonly appendOnly?: boolean; readonly settings?: Readonly<Record<string, string>> } = {},
): Promise<TestRedis> {
  const { path: directory, runAs } = await privateDirectory("plimsoll-test-redis-", "redis");
  const socketPath = join(directory, "redis.sock");
  const settings = {
    port: "0",
    unixsocket: socketPath,
    unixsocketperm: "700",
    dir: directory,
    save: "",
    appendonly: options.appendOnly ? "yes" : "no",
    "maxmemory-policy": "noeviction",
    ...options.settings,
  };
  const argv = ["redis-server", ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])];
  const server = await startPrivate(directory, runAs, argv, "TERM");
  await whenReady(() => ping(socketPath), server, 10_000);
  return {
    pid: server.pid,
    socketPath,
    url: `unix://${socketPath}`,
    kill: () => server.end("SIGKILL"),
    stop: () => server.dispose("SIGTERM"),
  };
}

/** The Redis that the run's set-up started, shared by all test files: use a key prefix of your own and delete its keys. */
export function testRedisUrl(): string {
  const url = process.env[TEST_REDIS_VARIABLE];
  if (url === undefined) throw new Error("no Redis for tests: name the file *.host.test.ts or *.int.test.ts and run it with vitest");
  return url;
}

async function ping(socketPath: string): Promise<void> {
  const client = new Redis({ path: socketPath, lazyConnect: true, retryStrategy: () => null });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.ping();
  } finally {
    client.disconnect();
  }
}
