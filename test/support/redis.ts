import { Redis } from "ioredis";
import { redisUrl } from "../../scripts/platform/redis.ts";
import type { Platform } from "./platform.ts";

/** Runs commands on the platform's Redis, as the server's own user, which may do anything. */
export async function withRedis<T>({ layout }: Platform, use: (redis: Redis) => Promise<T>): Promise<T> {
  const { pathname: path, searchParams } = new URL(redisUrl(layout));
  const redis = new Redis({
    path,
    username: searchParams.get("user") ?? "",
    password: searchParams.get("password") ?? "",
    lazyConnect: true,
  });
  // Told by the command that fails.
  redis.on("error", () => undefined);
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}
