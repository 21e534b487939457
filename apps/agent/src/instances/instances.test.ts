import { describe, expect, it } from "vitest";
import { listeningHint, parseListening } from "./listening.ts";
import { planInstance } from "./plan-instance.ts";

const exited = {
  state: "exited" as const,
  failuresInRow: 3,
  lastExit: { code: 1, outOfMemory: false, monitorLost: false, at: new Date(0).toISOString() },
};

describe("planInstance", () => {
  it.each([
    ["running", undefined, "launch"],
    ["running", "created", "start"],
    ["running", "running", "probe"],
    ["draining", undefined, "gone"],
    ["draining", "running", "probe"],
    ["stopped", undefined, "gone"],
    ["stopped", "created", "remove"],
    ["stopped", "running", "remove"],
  ] as const)("wanted %s, is %s: %s", (desired, state, step) => {
    expect(planInstance({ desired }, state === undefined ? undefined : { state, failuresInRow: 0 }, 0).kind).toBe(step);
  });

  it("removes what nobody wants any more", () => {
    expect(planInstance(undefined, { state: "running", failuresInRow: 0 }, 0).kind).toBe("remove");
  });

  it("waits before it restarts what failed several times, and restarts in the end", () => {
    const soon = planInstance({ desired: "running" }, exited, 1);
    expect(soon.kind).toBe("wait");
    expect(planInstance({ desired: "running" }, exited, 10 * 60_000).kind).toBe("restart");
  });

  it("does not restart what is draining", () => {
    expect(planInstance({ desired: "draining" }, exited, 1).kind).toBe("remove");
  });
});

describe("listening addresses", () => {
  const table = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0",
    "   1: 0100007F:9C40 0100007F:0BB8 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0",
  ].join("\n");

  it("reads listening sockets only", () => {
    expect(parseListening(table)).toEqual(["127.0.0.1:3000"]);
  });

  it("reads IPv6 wildcard sockets", () => {
    expect(parseListening("x\n 0: 00000000000000000000000000000000:1F90 0:0 0A 0")).toEqual(["[::]:8080"]);
  });

  it("says what to change when the program listens elsewhere, and nothing when it listens right", () => {
    expect(listeningHint(["127.0.0.1:3000"], 8080)).toMatch(/listens on 127\.0\.0\.1:3000, the probe asks port 8080/);
    expect(listeningHint(["127.0.0.1:3000"], 8080)).not.toContain("plimsoll.yaml");
    expect(listeningHint(["0.0.0.0:3000", "[::]:3000"], 8080)).toContain("or say port: 3000 in plimsoll.yaml");
    expect(listeningHint(["0.0.0.0:3000", "0.0.0.0:9229"], 8080)).not.toContain("plimsoll.yaml");
    expect(listeningHint(["[::]:8080"], 8080)).toBeUndefined();
    expect(listeningHint([], 8080)).toMatch(/nothing in it listens/);
  });
});
