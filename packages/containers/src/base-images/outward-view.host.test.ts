import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OutwardView } from "./outward-view.ts";

describe("what registries' clients see of this machine", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "plimsoll-view-"));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const here = "/proc/self/ns/net";
  const holderOf = (argv: readonly string[]) => Number(/^--mount=\/proc\/(\d+)\//.exec(argv[1] ?? "")?.[1]);

  it("is the resolvers of their network, whatever this machine's own files say; these stay as they are", async () => {
    const before = readFileSync("/etc/resolv.conf", "utf8");
    const view = new OutwardView(dir);
    const seen = async (nameservers: readonly string[]) => {
      const { stdout } = await run(await view.argv({ path: here, nameservers }, ["cat", "/etc/resolv.conf", "/etc/hosts"]));
      return stdout;
    };
    const hosts = "127.0.0.1 localhost\n::1 localhost\n";
    expect(await seen(["192.0.2.53", "192.0.2.54"])).toBe(`nameserver 192.0.2.53\nnameserver 192.0.2.54\n${hosts}`);
    expect(await seen(["192.0.2.55"])).toBe(`nameserver 192.0.2.55\n${hosts}`);
    expect(readFileSync("/etc/resolv.conf", "utf8")).toBe(before);
    expect(readdirSync(dir)).toEqual([]);
  });

  it("is made once for all, and again where its holder was killed", async () => {
    const view = new OutwardView(dir);
    const argv = () => view.argv({ path: here, nameservers: ["192.0.2.53"] }, ["cat", "/etc/resolv.conf"]);
    const holders = (await Promise.all([argv(), argv(), argv()])).map(holderOf);
    expect(new Set(holders).size).toBe(1);
    process.kill(holders[0] ?? 0, "SIGKILL");
    await expect.poll(async () => holderOf(await argv()) !== holders[0], { timeout: 10_000 }).toBe(true);
    expect((await run(await argv())).stdout).toBe("nameserver 192.0.2.53\n");
  });
});
