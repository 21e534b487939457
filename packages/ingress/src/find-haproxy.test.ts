import { describe, expect, it } from "vitest";
import { isHaproxyWith } from "./find-haproxy.ts";

const config = "/run/p/haproxy.cfg";
const started = ["haproxy", "-W", "-f", config, "-S", "/run/p/master.sock,mode,600,level,admin"];

describe("HAProxy with our configuration", () => {
  it.each([
    ["started by us", started],
    ["by its path", ["/usr/sbin/haproxy", ...started.slice(1)]],
    ["reloaded", ["haproxy", "-sf", "13266", "-x", "sockpair@3", ...started.slice(1)]],
    ["still to be entered into the host's network", ["nsenter", "--net=/run/netns/h", "--", ...started]],
  ])("is one %s", (_, argv) => expect(isHaproxyWith(argv, config)).toBe(true));

  it.each([
    ["with another configuration", ["haproxy", "-W", "-f", `${config}.candidate`]],
    ["whose configuration only begins or ends like ours", ["haproxy", "-W", "-f", "/run/p/haproxy.cf", "-f", `/x${config}`]],
    ["that names our configuration as something else", ["haproxy", "-W", "-f", "/other.cfg", "-L", config]],
    ["that checks it", ["haproxy", "-W", "-c", "-f", config]],
    ["without a master", ["haproxy", "-f", config]],
  ])("is not one %s", (_, argv) => expect(isHaproxyWith(argv, config)).toBe(false));

  it.each([
    ["follows the file", ["tail", "-f", config]],
    ["has the words as one", ["sh", "-c", started.join(" ")]],
    ["has them all", ["grep", ...started]],
    ["has none", []],
  ])("is nothing that %s", (_, argv) => expect(isHaproxyWith(argv, config)).toBe(false));
});
