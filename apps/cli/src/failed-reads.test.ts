import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { keptLogin, loginPath } from "./config.ts";
import { askGit, git } from "./place.ts";
import { projectFolder } from "./project-folder.ts";

let dir = "";

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "plim-reads-"));
  vi.stubEnv("XDG_CONFIG_HOME", dir);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true });
});

describe("what is not there", () => {
  it("is no login, no repository, no remote, no file", async () => {
    expect(await keptLogin()).toBeUndefined();
    expect(await askGit(["remote", "get-url", "plimsoll"], dir)).toBeUndefined();
    await git(["init", "-q"], { cwd: dir });
    expect(await askGit(["remote", "get-url", "plimsoll"], dir)).toBeUndefined();
    const files = await projectFolder(dir);
    expect([await files.read("package.json"), await files.list("web")]).toEqual([undefined, []]);
  });
});

describe("what cannot be read is not taken for what is not there", () => {
  it("a login", async () => {
    mkdirSync(loginPath(), { recursive: true });
    await expect(keptLogin()).rejects.toThrow("EISDIR");
  });

  it("a repository: else all that it ignores would be taken too", async () => {
    await git(["init", "-q"], { cwd: dir });
    writeFileSync(join(dir, ".git/index"), "no index");
    await expect(projectFolder(dir)).rejects.toThrow(/git ls-files does not work .*index file/s);
  });

  it("a machine without git", async () => {
    vi.stubEnv("PATH", dir);
    await expect(projectFolder(dir)).rejects.toThrow("is git installed?");
  });
});
