import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { run } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { layoutOf } from "./layout.ts";
import { installUnits, removeUnit } from "./systemd.ts";

const REAL = resolve(import.meta.dirname, "../..");
/** Debian's own programs judge; a machine without them has nothing to install units on. */
const there = existsSync("/usr/bin/systemctl") && existsSync("/usr/bin/systemd-analyze");

describe.runIf(there)("units of systemd", () => {
  let directory: string;
  let machineRoot: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "plimsoll-systemd-"));
    machineRoot = join(directory, "machine");
    mkdirSync(machineRoot);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** A checkout with a name that wants to be quoted. */
  function checkout(name: string) {
    const root = join(directory, name);
    mkdirSync(root, { recursive: true });
    symlinkSync(join(REAL, "scripts"), join(root, "scripts"));
    symlinkSync(process.execPath, join(root, "node"));
    const layout = layoutOf(root, join(root, ".plimsoll"));
    mkdirSync(layout.dataDir, { recursive: true });
    return { layout, node: join(root, "node"), code: "v1" };
  }
  const units = () => join(machineRoot, "etc/systemd/system");
  const isEnabled = (unit: string) => lstatSync(join(units(), "multi-user.target.wants", unit), { throwIfNoEntry: false }) !== undefined;
  const verify = (path: string) =>
    run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path], { okCodes: [0, 1], timeoutMs: 60_000 });

  it("are such that systemd finds nothing wrong with them, whatever the checkout is called", async () => {
    const { unit } = await installUnits(checkout("a b%c$d"), { machineRoot, delegated: true });
    for (const name of [unit, "plimsoll-workloads.service"]) {
      const { code, stderr } = await verify(join(units(), name));
      expect([code, stderr]).toEqual([0, ""]);
    }
    // Negative control: it does look at what is run, by that very name.
    rmSync(join(directory, "a b%c$d", "node"));
    expect((await verify(join(units(), unit))).stderr).toMatch(/Command .*node.* is not executable/);
  });

  it("are enabled for the next boot, once; a changed code changes them; and go with the installation", async () => {
    const facts = checkout("one");
    const install = (code: string) => installUnits({ ...facts, code }, { machineRoot, delegated: false });
    expect(await install("v1")).toEqual({ unit: "plimsoll.service", changed: true });
    expect(await install("v1")).toEqual({ unit: "plimsoll.service", changed: false });
    expect(await install("v2")).toEqual({ unit: "plimsoll.service", changed: true });
    expect(isEnabled("plimsoll.service")).toBe(true);
    expect(existsSync(join(units(), "plimsoll-workloads.service"))).toBe(false);
    expect(await removeUnit(facts.layout, { machineRoot })).toBe("removed");
    expect([existsSync(join(units(), "plimsoll.service")), isEnabled("plimsoll.service")]).toEqual([false, false]);
    expect(await removeUnit(facts.layout, { machineRoot })).toBe("absent");
  });

  it("of two installations of a machine are two", async () => {
    const [one, other] = [checkout("one"), checkout("other")];
    await installUnits(one, { machineRoot, delegated: false });
    const { unit } = await installUnits(other, { machineRoot, delegated: false });
    expect(unit).toMatch(/^plimsoll-[0-9a-f]{10}\.service$/);
    expect(readFileSync(join(units(), "plimsoll.service"), "utf8")).toContain(one.layout.dataDir);
    expect(await removeUnit(other.layout, { machineRoot })).toBe("removed");
    expect([isEnabled("plimsoll.service"), isEnabled(unit)]).toEqual([true, false]);
  });
});
