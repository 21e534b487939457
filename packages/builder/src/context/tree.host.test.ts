import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commitFiles } from "../testing/repository.ts";
import { CopyFilter } from "./filter.ts";
import { GitObjects, parseCommit } from "./git-objects.ts";
import { IgnoreRules } from "./ignore.ts";
import { MissingSource, selectSource } from "./select.ts";
import { walkTaken } from "./take.ts";
import { ContextTree } from "./tree.ts";

describe("ContextTree", () => {
  let dir: string;
  let objects: GitObjects;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "plimsoll-builder-tree-"));
    await run(["git", "init", "-q", "--bare", dir]);
    objects = new GitObjects(dir);
  });
  afterAll(async () => {
    await objects.close();
    await rm(dir, { recursive: true });
  });

  const open = async (files: Parameters<typeof commitFiles>[1], ...ignore: string[]) => {
    const { tree } = parseCommit(await objects.read(await commitFiles(dir, files), "commit"));
    return {
      tree,
      context: new ContextTree(objects, tree, ignore.length === 0 ? undefined : IgnoreRules.parse(ignore.join("\n"), ".dockerignore")),
    };
  };
  const paths = async (context: ContextTree) => {
    const found: string[] = [];
    for await (const { relative, node } of walkTaken(context, { name: "", node: await context.root(), filter: new CopyFilter({}) })) {
      found.push(node.kind === "directory" ? `${relative}/` : relative);
    }
    return found.slice(1);
  };

  const files = {
    "a.txt": "a",
    "src/main.js": "m",
    "src/notes.md": "n",
    "docs/x.md": "x",
    "docs/deep/y.md": "y",
    "bin/run": { content: "r", mode: "755" },
  } as const;

  it("is the git tree itself where no rule takes anything away", async () => {
    const { tree, context } = await open(files, "node_modules", "**/*.log");
    expect((await context.root()).id).toBe(tree);
    expect(await paths(context)).toEqual([
      "a.txt",
      "bin/",
      "bin/run",
      "docs/",
      "docs/deep/",
      "docs/deep/y.md",
      "docs/x.md",
      "src/",
      "src/main.js",
      "src/notes.md",
    ]);
  });

  it("has the id of the tree that git would make of what is left", async () => {
    const { context } = await open(files, "docs", "**/*.md", "!docs/deep/y.md");
    const { tree } = await open({ "a.txt": "a", "src/main.js": "m", "docs/deep/y.md": "y", "bin/run": { content: "r", mode: "755" } });
    expect((await context.root()).id).toBe(tree);
    expect(await paths(context)).toEqual(["a.txt", "bin/", "bin/run", "docs/", "docs/deep/", "docs/deep/y.md", "src/", "src/main.js"]);
  });

  it("keeps a directory that the rules have emptied but not named", async () => {
    const { context } = await open(files, "docs/**/*.md", "docs/*.md");
    expect(await paths(context)).toContain("docs/deep/");
  });

  it("follows links inside the context and nowhere else", async () => {
    const link = (to: string) => ({ content: to, mode: "link" }) as const;
    const { context } = await open({
      "real/file": "x",
      "to-file": link("real/file"),
      "to-root": link("/real"),
      up: link("../../../real"),
      passwd: link("/etc/passwd"),
      loop: link("loop"),
    });
    expect(await context.find("to-file", true)).toMatchObject({ path: "real/file", kind: "file" });
    expect(await context.find("to-file", false)).toMatchObject({ path: "to-file", kind: "symlink" });
    expect(await context.find("to-root/file", true)).toMatchObject({ path: "real/file" });
    expect(await context.find("up/../real/file", true)).toMatchObject({ path: "real/file" });
    expect(await context.find("../../etc/passwd", true)).toBeUndefined();
    expect(await context.find("passwd", true)).toBeUndefined();
    await expect(context.find("loop", true)).rejects.toMatchObject({ code: "invalid" });
    await expect(selectSource(context, "passwd")).rejects.toThrow(/link to \/etc\/passwd/);
  });

  it("selects by Go's patterns", async () => {
    const { context } = await open({ ...files, "a-link": { content: "src", mode: "link" } });
    const names = async (source: string) => (await selectSource(context, source)).map(({ name, node }) => `${name}=${node.path}`);
    expect(await names("*.txt")).toEqual(["a.txt=a.txt"]);
    expect(await names("a*")).toEqual(["a-link=src", "a.txt=a.txt"]);
    expect(await names("*/*.md")).toEqual(["x.md=docs/x.md", "notes.md=src/notes.md"]);
    expect(await names("*.none")).toEqual([]);
    expect(await names("a-link/*.js")).toEqual(["main.js=src/main.js"]);
    expect(await names("../.././src/")).toEqual(["src=src"]);
    expect(await names(".")).toEqual(["="]);
    await expect(names("nothing")).rejects.toThrow(MissingSource);
    // As in BuildKit, one that is none matches nothing.
    expect(await names("[a")).toEqual([]);
  });

  it("refuses submodules when they are taken", async () => {
    const { context } = await open({ "a.txt": "a", "lib/sub": { content: "1".repeat(40), mode: "submodule" } });
    await expect(paths(context)).rejects.toThrow(/lib\/sub is a git submodule/);
    expect(await selectSource(context, "a.txt")).toHaveLength(1);
  });

  it("tells a missing object from a dead git", async () => {
    await expect(objects.read("1".repeat(40), "blob")).rejects.toMatchObject({ code: "not_found" });
    const nowhere = new GitObjects(join(dir, "nowhere"));
    await expect(nowhere.read("1".repeat(40), "blob")).rejects.toMatchObject({ code: "internal" });
    await nowhere.close();
  });

  it("streams large files in order with small ones", async () => {
    const large = "x".repeat(3_000_000);
    const { context } = await open({ large, small: "s" });
    const [l, s] = await Promise.all([context.find("large", false), context.find("small", false)]);
    const [first, second] = await Promise.all([objects.read(l?.id ?? "", "blob"), objects.read(s?.id ?? "", "blob")]);
    expect(first.toString() === large).toBe(true);
    expect(second.toString()).toBe("s");
    await expect(objects.read(l?.id ?? "", "blob", 1_000)).rejects.toMatchObject({ code: "invalid" });
  });
});
