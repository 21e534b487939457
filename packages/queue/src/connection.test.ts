import { createLogger } from "@plimsoll/config";
import { Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import { connectConsumer } from "./connection.ts";

const NOBODY = "unix:///run/nobody-listens-here.sock";

/** What became of a connection that is told to go while it waits for its next attempt, and of a command that waits for it. */
async function goneBetweenAttempts(redis: Redis): Promise<readonly string[]> {
  const outcomes: string[] = [];
  redis.once("end", () => outcomes.push("end"));
  redis.ping().catch(() => outcomes.push("answered"));
  await new Promise((resolve) => redis.once("reconnecting", resolve));
  redis.disconnect();
  await new Promise((resolve) => setTimeout(resolve, 100));
  return outcomes.sort();
}

describe("a connection that waits for its next attempt", () => {
  it("ends when it is told to, and answers who waits for it; so do its duplicates", async () => {
    const redis = connectConsumer(NOBODY, createLogger("test", { write: () => undefined }));
    const duplicate = redis.duplicate();
    duplicate.on("error", () => undefined);
    expect(await Promise.all([redis, duplicate].map(goneBetweenAttempts))).toEqual([
      ["answered", "end"],
      ["answered", "end"],
    ]);
  });

  it("does neither by itself: when this fails, ours is not needed any more", async () => {
    const plain = new Redis({ path: NOBODY.slice("unix://".length), maxRetriesPerRequest: null, retryStrategy: () => 1_000 });
    plain.on("error", () => undefined);
    expect(await goneBetweenAttempts(plain)).toEqual([]);
  });
});
