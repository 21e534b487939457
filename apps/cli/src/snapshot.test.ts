import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { minimalEnv, run } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { snapshot } from "./snapshot.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "plimsoll-snapshot-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const env = { ...minimalEnv, HOME: "/nonexistent" };
const git = async (...args: string[]) =>
  (await run(["git", "-c", "user.name=Ana", "-c", "user.email=ana@acme.example", ...args], { cwd: folder, env })).stdout.trim();
const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

async function take(committed = false) {
  const taken = await snapshot(folder, { committed });
  await taken.dispose();
  return taken;
}

describe("a repository", () => {
  beforeEach(async () => {
    await git("init", "-q", "-b", "main");
    write("Dockerfile", "FROM scratch\n");
    write(".gitignore", "secret\n");
    await git("add", "-A");
    await git("commit", "-q", "-m", "One");
  });

  it("that is clean is its last commit, and so is one whose changes are not wanted", async () => {
    const head = await git("rev-parse", "HEAD");
    expect(await take()).toMatchObject({ commit: head, changed: false });
    write("more", "x");
    expect(await take(true)).toMatchObject({ commit: head, changed: false });
  });

  it("with changes is the same commit for the same content, without what is ignored, and stays as it is", async () => {
    write("Dockerfile", "FROM scratch\nLABEL a=b\n");
    write("untracked", "as well");
    write("secret", "not this");
    await git("add", "untracked");
    const before = [readFileSync(join(folder, ".git/index")), await git("status", "--porcelain"), await git("for-each-ref")];
    const first = await take();
    utimesSync(join(folder, "Dockerfile"), 1_000_000, 1_000_000);
    expect(await take()).toMatchObject({ commit: first.commit, changed: true });
    expect((await git("ls-tree", "-r", "--name-only", first.commit)).split("\n")).toEqual([".gitignore", "Dockerfile", "untracked"]);
    expect(await git("rev-parse", `${first.commit}^`)).toBe(await git("rev-parse", "HEAD"));
    expect([readFileSync(join(folder, ".git/index")), await git("status", "--porcelain"), await git("for-each-ref")]).toEqual(before);
  });
});

describe("a folder without commits", () => {
  it("is taken whole, in a repository or not, and the same for the same content", async () => {
    write("Dockerfile", "FROM scratch\n");
    const outside = await take();
    expect(await take()).toMatchObject({ commit: outside.commit });
    await git("init", "-q", "-b", "main");
    expect(await take()).toMatchObject({ commit: outside.commit, changed: true });
    await expect(take(true)).rejects.toThrow(/Nothing is committed/);
  });
});
