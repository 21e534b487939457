import { describe, expect, it } from "vitest";
import { parseRemote } from "./remote-url.ts";

describe("the address of a repository elsewhere", () => {
  it.each([
    ["https://github.com/acme/shop.git", { scheme: "https", host: "github.com", port: 443, path: "/acme/shop.git" }],
    ["https://Git.Example:8443/a/b", { scheme: "https", host: "git.example", port: 8443, url: "https://git.example:8443/a/b" }],
    [
      "git@github.com:acme/shop.git",
      { scheme: "ssh", host: "github.com", port: 22, user: "git", url: "ssh://git@github.com/acme/shop.git" },
    ],
    [
      "ssh://forge@git.example:2222/acme/shop.git",
      { scheme: "ssh", port: 2222, user: "forge", url: "ssh://forge@git.example:2222/acme/shop.git" },
    ],
    ["https://[2001:db8::1]/a/b.git", { host: "2001:db8::1", url: "https://[2001:db8::1]/a/b.git" }],
    // What a browser's address bar takes for 127.0.0.1 is that, and left to the guard of addresses.
    ["https://2130706433/a.git", { host: "127.0.0.1" }],
  ])("is read: %s", (text, wanted) => expect(parseRemote(text)).toMatchObject(wanted));

  it.each([
    "file:///etc/passwd",
    "/srv/git/shop.git",
    "../shop.git",
    "ext::sh -c id",
    "git://git.example/shop.git",
    "fd::7",
    "https://user:secret@git.example/shop.git",
    "https://token@git.example/shop.git",
    "https://git.example/shop.git?service=x",
    "https://git.example/",
    "ssh://-oProxyCommand=id/shop.git",
    "ssh://git@-oProxyCommand=id/shop.git",
    "git@-oProxyCommand=id:shop.git",
    "-oProxyCommand=id@git.example:shop.git",
    "ssh://git@git.example/-x",
    "ssh://git@git.example/a';id;'",
    "git@git.example:a b",
    "https://git.example/a\nb",
    "https://git..example/a",
    `https://git.example/${"a".repeat(600)}`,
    "",
  ])("is refused: %j", (text) => expect(() => parseRemote(text)).toThrow(expect.objectContaining({ code: "invalid" })));
});
