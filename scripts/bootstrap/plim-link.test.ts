import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { run } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { linkPlim } from "./plim-link.mjs";

const ROOT = resolve(import.meta.dirname, "../..");
let home: string;
let binDir: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "plimsoll-plim-link-"));
  binDir = join(home, "bin");
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe("plim on the PATH", () => {
  it("is a link to this checkout's launcher, made once, that runs from anywhere", async () => {
    expect(linkPlim({ root: ROOT, binDir })).toBe("linked");
    expect(linkPlim({ root: ROOT, binDir })).toBe("unchanged");
    expect(readlinkSync(join(binDir, "plim"))).toBe(join(ROOT, "scripts/plim"));
    const { stdout } = await run([join(binDir, "plim"), "version"], { cwd: "/", env: { PATH: "/usr/bin:/bin", HOME: home } });
    expect(stdout).toMatch(/^plim \d+\.\d+\.\d+, Node 2[4-9]\./);
  });

  it("leaves what is not ours, and another checkout's", () => {
    mkdirSync(binDir);
    writeFileSync(join(binDir, "plim"), "somebody's own");
    expect(linkPlim({ root: ROOT, binDir })).toBe("foreign");
    expect(readFileSync(join(binDir, "plim"), "utf8")).toBe("somebody's own");

    const other = join(home, "other/scripts");
    mkdirSync(other, { recursive: true });
    writeFileSync(join(other, "plim"), "");
    rmSync(join(binDir, "plim"));
    symlinkSync(join(other, "plim"), join(binDir, "plim"));
    expect(linkPlim({ root: ROOT, binDir })).toBe("foreign");
    expect(readlinkSync(join(binDir, "plim"))).toBe(join(other, "plim"));
  });

  it("takes the place of a checkout's that is gone, and of nothing else that is", () => {
    mkdirSync(binDir);
    symlinkSync("/nowhere/plimsoll/scripts/plim", join(binDir, "plim"));
    expect(linkPlim({ root: ROOT, binDir })).toBe("linked");
    rmSync(join(binDir, "plim"));
    symlinkSync("/nowhere/else/plim", join(binDir, "plim"));
    expect(linkPlim({ root: ROOT, binDir })).toBe("foreign");
  });
});
