import { describe, expect, it } from "vitest";
import { parseRedisUrl, withCredentials } from "./redis-url.ts";

describe("Redis URL", () => {
  it.each([
    ["unix:///run/a%20b/redis.sock", { path: "/run/a b/redis.sock" }],
    ["unix:///run/redis.sock?user=host-1&password=p%2Fq&db=2", { path: "/run/redis.sock", username: "host-1", password: "p/q", db: 2 }],
    ["redis://localhost", { host: "localhost", port: 6379 }],
    ["redis://ana:p%40ss@10.0.0.7:7000/3", { host: "10.0.0.7", port: 7000, username: "ana", password: "p@ss", db: 3 }],
    ["rediss://[::1]:6380", { host: "::1", port: 6380, tls: {} }],
    ["rediss://redis.example", { host: "redis.example", port: 6379, tls: { servername: "redis.example" } }],
  ])("reads %s", (text, options) => {
    expect(parseRedisUrl(text)).toEqual(options);
  });

  it("says what it wants when it cannot read one", () => {
    expect(() => parseRedisUrl("localhost:6379")).toThrow(/redis:\/\/…, rediss:\/\/… or unix:\/\/\/path/);
    expect(() => parseRedisUrl("no url")).toThrow(/set REDIS_URL/);
  });

  it.each(["unix:///run/redis.sock", "redis://root:secret@10.0.0.7:7000/3", "rediss://redis.example"])(
    "names the same server as another user: %s",
    (text) => {
      const user = { username: "host-1", password: "p/q?&=@" };
      expect(parseRedisUrl(withCredentials(text, user))).toEqual({ ...parseRedisUrl(text), ...user });
    },
  );
});
