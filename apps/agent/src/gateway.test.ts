import { describe, expect, it } from "vitest";
import { throughSocket } from "./gateway.ts";

describe("the way to the queue of another machine", () => {
  it.each([
    ["unix:///run/redis.sock?user=host-a&password=p%2Bw", "unix:///tmp/q.sock?user=host-a&password=p%2Bw"],
    ["redis://host-a:p%2Bw@10.0.0.9:6379", "unix:///tmp/q.sock?user=host-a&password=p%2Bw"],
    ["rediss://host-a:p@redis.example/3", "unix:///tmp/q.sock?user=host-a&password=p&db=3"],
  ])("is the tunnel's own socket, whatever the server's is: %s", (given, expected) => {
    expect(throughSocket(given, "/tmp/q.sock")).toBe(expected);
  });
});
