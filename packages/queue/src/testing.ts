import { mkdtemp, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startTestRedis, type TestRedis } from "@plimsoll/testkit";
import { Redis } from "ioredis";

/** A Redis for tests that can be killed and started again, empty, at the same place. */
export interface RestartableRedis {
  readonly url: string;
  readonly pid: number;
  kill(): Promise<void>;
  /** A new one takes the place of the one that was killed; it knows neither its keys nor its users. */
  restart(): Promise<void>;
  /** Forgets every key, as an operator's FLUSHALL does. */
  flush(): Promise<void>;
  stop(): Promise<void>;
}

export async function startRestartableRedis(): Promise<RestartableRedis> {
  const directory = await mkdtemp(join(tmpdir(), "plimsoll-test-redis-place-"));
  const place = join(directory, "redis.sock");
  const started: TestRedis[] = [];
  let current = await startTestRedis();
  const install = async () => {
    started.push(current);
    await symlink(current.socketPath, `${place}.new`);
    await rename(`${place}.new`, place);
  };
  await install();
  return {
    url: `unix://${place}`,
    get pid() {
      return current.pid;
    },
    kill: () => current.kill(),
    async restart() {
      await current.kill();
      current = await startTestRedis();
      await install();
    },
    async flush() {
      const admin = new Redis({ path: place, lazyConnect: true, retryStrategy: () => null });
      admin.on("error", () => undefined);
      try {
        await admin.connect();
        await admin.flushall();
      } finally {
        admin.disconnect();
      }
    },
    async stop() {
      await Promise.all(started.map((redis) => redis.stop()));
      await rm(directory, { recursive: true, force: true });
    },
  };
}
