import { describe, expect, it } from "vitest";
import { hostOf, realmsOf, refusalOf } from "./token-service.ts";

const bearer = (realm: string) => `Bearer realm="${realm}",service="registry",scope="repository:a:pull"`;
const WORLD = { "registry.example": ["203.0.113.7"], "auth.example": ["203.0.113.8"], "inside.example": ["203.0.113.9", "10.1.2.3"] };
const judge = (registry: string, isPlain: boolean, challenge: string) => refusalOf(registry, isPlain, { challenge, addresses: WORLD });

describe("realmsOf", () => {
  it.each([
    ["", []],
    ['Basic realm="http://x.example/"', []],
    [bearer("https://a.example/t"), ["https://a.example/t"]],
    ['bearer service=r, REALM = "https://a.example/t"', ["https://a.example/t"]],
    ["Bearer realm=https://a.example/t,service=r", ["https://a.example/t"]],
    ['Basic realm="b", Bearer realm="https://a.example/t", Bearer realm="http://b.example"', ["https://a.example/t", "http://b.example"]],
    ["Bearer service=r", [""]],
  ])("%s", (challenge, realms) => {
    expect(realmsOf(challenge)).toEqual(realms);
  });
});

describe("hostOf", () => {
  it.each([
    ["https://Auth.Example:5001/token?x=1", "auth.example"],
    ["https://[::1]:5000/", "::1"],
    ["https://a.example", "a.example"],
    ["https://user@b.example/", undefined],
    ["https://a.example\\@b.example/", undefined],
    ["https:/a.example/", undefined],
    ["file:///etc/passwd", undefined],
  ])("%s", (address, host) => {
    expect(hostOf(address)).toBe(host);
  });
});

describe("refusalOf", () => {
  it.each([
    ["its own host", "registry.example", false, bearer("https://registry.example/token")],
    ["another host, by TLS", "registry.example", false, bearer("https://auth.example/token")],
    ["the registry itself", "registry.example", false, 'Basic realm="registry"'],
    ["nobody", "registry.example", false, ""],
    ["its own host, both without TLS", "registry.example:5000", true, bearer("http://registry.example:5001/token")],
    ["a service within, of a registry within", "10.9.9.9:5000", false, bearer("https://inside.example/token")],
  ])("lets a credential go to %s", (_, registry, isPlain, challenge) => {
    expect(judge(registry, isPlain, challenge)).toBeUndefined();
  });

  it.each([
    ["one without TLS", "registry.example", false, bearer("http://registry.example/token"), "without TLS"],
    [
      "one of two without TLS",
      "registry.example",
      false,
      `${bearer("https://registry.example/t")}, ${bearer("http://x.example")}`,
      "without TLS",
    ],
    ["another host, both without TLS", "registry.example", true, bearer("http://auth.example/token"), "at another host"],
    ["an address within", "registry.example", false, bearer("https://10.0.0.1/token"), "within a network"],
    ["an address within, as IPv6 writes it", "registry.example", false, bearer("https://[::ffff:10.0.0.1]/token"), "within a network"],
    ["an address within, in hexadecimal", "registry.example", false, bearer("https://[::ffff:a00:1]/token"), "within a network"],
    ["a name that leads within", "registry.example", false, bearer("https://inside.example/token"), "within a network"],
    ["what cannot be read", "registry.example", false, bearer("https://a@b.example/"), "cannot be read"],
    ["nothing", "registry.example", false, "Bearer service=r", "cannot be read"],
  ])("keeps it from %s", (_, registry, isPlain, challenge, why) => {
    expect(judge(registry, isPlain, challenge)).toContain(why);
  });
});
