import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commitFiles } from "./commit-files.ts";
import { createGit, gitEnvironment } from "./git-command.ts";

const env = gitEnvironment({ hooksDir: "/nonexistent", maxPushBytes: 1e9 });
let tree: string;
let commit: string;

beforeAll(async () => {
  tree = await mkdtemp(join(tmpdir(), "plimsoll-commit-files-"));
  const git = (...args: string[]) => run(["git", ...args], { cwd: tree, env: { ...env, GIT_AUTHOR_NAME: "A", GIT_AUTHOR_EMAIL: "a@b" } });
  await git("init", "-q");
  await mkdir(join(tree, "services/api"), { recursive: true });
  await writeFile(join(tree, "plimsoll.yaml"), "env: {}\n");
  await writeFile(join(tree, "services/api/a\nb"), "odd");
  await writeFile(join(tree, "services/api/large"), "x".repeat(300_000));
  await symlink("/etc/passwd", join(tree, "Procfile"));
  await git("add", "-A");
  await git("commit", "-q", "-m", "files");
  commit = (await git("rev-parse", "HEAD")).stdout.trim();
});
afterAll(() => rm(tree, { recursive: true, force: true }));

describe("the files of a commit", () => {
  it("are read by path; what is not there, a directory or a link is none", async () => {
    const { read } = commitFiles(createGit(env), join(tree, ".git"), commit);
    expect(await read("plimsoll.yaml")).toBe("env: {}\n");
    expect(await read("services/api/a\nb")).toBe("odd");
    expect(await Promise.all(["Procfile", "services", "nope", "nope/x", "../plimsoll.yaml/x", ""].map(read))).toEqual(
      Array.from({ length: 6 }, () => undefined),
    );
    await expect(read("services/api/large")).rejects.toThrow("300000 bytes");
  });
});
