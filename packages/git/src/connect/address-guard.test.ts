import { describe, expect, it } from "vitest";
import { createAddressGuard, listOf } from "./address-guard.ts";

const guardOf = (addresses: readonly string[], allowed: readonly string[] = []) =>
  createAddressGuard({ allowed, denied: async () => ["10.64.0.0/10", "203.0.113.7", "2001:db8:1::/48"], look: async () => addresses });

describe("where a repository may be fetched from", () => {
  it.each([
    ["127.0.0.1"],
    ["127.9.9.9"],
    ["0.0.0.0"],
    ["169.254.169.254"],
    ["10.64.0.1"],
    ["10.127.0.1"],
    ["203.0.113.7"],
    ["224.0.0.1"],
    ["255.255.255.255"],
    ["::1"],
    ["::"],
    ["fe80::1"],
    ["::ffff:127.0.0.1"],
    ["::ffff:7f00:1"],
    ["64:ff9b::7f00:1"],
    ["2002:7f00:1::"],
    ["2001:db8:1::5"],
  ])("is not %s, by name or as it is", async (address) => {
    await expect(guardOf([address]).resolve("git.example")).rejects.toMatchObject({ code: "invalid" });
    await expect(guardOf([]).resolve(address)).rejects.toMatchObject({ code: "invalid" });
    // One that is the platform's own among others that are not.
    await expect(guardOf(["198.51.100.1", address]).resolve("git.example")).rejects.toMatchObject({ code: "invalid" });
  });

  it("is any other address, and the one to connect to is said", async () => {
    expect(await guardOf(["198.51.100.1", "2001:db8:2::1"]).resolve("git.example")).toEqual({ address: "198.51.100.1", exempt: false });
    expect(await guardOf([]).resolve("192.168.1.10")).toEqual({ address: "192.168.1.10", exempt: false });
  });

  it("is also what the operator allows, and nothing beside it", async () => {
    expect(await guardOf(["127.0.0.1"], ["127.0.0.1/32"]).resolve("git.example")).toEqual({ address: "127.0.0.1", exempt: true });
    await expect(guardOf(["127.0.0.2"], ["127.0.0.1/32"]).resolve("git.example")).rejects.toMatchObject({ code: "invalid" });
    await expect(guardOf(["127.0.0.1", "10.64.0.1"], ["127.0.0.1"]).resolve("git.example")).rejects.toMatchObject({ code: "invalid" });
    expect(() => listOf(["10.0.0.0/33"])).toThrow();
    expect(() => listOf(["everything"])).toThrow();
  });

  it("is nothing that has no address", async () => {
    await expect(guardOf([]).resolve("git.example")).rejects.toMatchObject({ message: "git.example has no address." });
    const real = createAddressGuard({ allowed: [], denied: async () => [] });
    await expect(real.resolve("localhost")).rejects.toMatchObject({ code: "invalid" });
  });
});
