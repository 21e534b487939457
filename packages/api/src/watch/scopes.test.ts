import { describe, expect, it } from "vitest";
import { parseScopes } from "./scopes.ts";

describe("the scopes of a watch", () => {
  it("are read from one or several parameters", () => {
    expect([...parseScopes("ns_1:5", null)]).toEqual([["ns_1", 5]]);
    expect([...parseScopes(["ns_1:5", "platform:0"], null)]).toEqual([
      ["ns_1", 5],
      ["platform", 0],
    ]);
  });

  it("resume where a reconnecting client was, and never widen", () => {
    expect([...parseScopes(["ns_1:5", "ns_2:1"], "ns_1:9")]).toEqual([
      ["ns_1", 9],
      ["ns_2", 1],
    ]);
    expect([...parseScopes("ns_1:5", "ns_1:3")]).toEqual([["ns_1", 5]]);
    expect([...parseScopes("ns_1:5", "ns_2:9")]).toEqual([["ns_1", 5]]);
    expect([...parseScopes("ns_1:5", "nonsense")]).toEqual([["ns_1", 5]]);
  });

  it.each([undefined, "", "ns_1", "ns_1:", ":5", "ns_1:-1", "ns 1:5", "ns_1:1e3"])("are refused when they read %j", (given) => {
    expect(() => parseScopes(given, null)).toThrow();
  });
});
