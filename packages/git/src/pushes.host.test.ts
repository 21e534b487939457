import { rm } from "node:fs/promises";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GitWorld, live, said } from "./git-fixture.ts";

/** Pushes as they come: not one new commit on main. */

let world: GitWorld;
beforeEach(async () => {
  world = await GitWorld.open();
});
afterEach(() => world.close());

const SHOP = "acme/store/shop";

describe("a push of several refs", () => {
  it("deploys main, stores the rest in one go and says so in few sentences", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    await ana.git("branch", "feature/x");
    const tags = Array.from({ length: 300 }, (_, at) => `create refs/tags/v${at} ${commit}\n`).join("");
    await run(["git", "-C", ana.work, "update-ref", "--stdin"], { stdin: tags, env: ana.env });
    await ana.git("tag", "-a", "annotated", "-m", "a tag with a message");
    const both = await ana.push(ana.ssh(), "--tags", "main", "feature/x");
    expect(both.code, both.stderr).toBe(0);
    expect(said(both)).toContain(
      "Branch feature/x is stored, not deployed: this app deploys main.\nTo deploy it: plim deploy shop --branch feature/x",
    );
    expect(said(both)).toMatch(/^Tags annotated, v0, v1, v10, v100 and 296 more are stored; a tag deploys nothing\.$/m);
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(commit);
    expect((await world.ref(SHOP, "refs/tags/")).split("\n")).toHaveLength(301);
    expect(world.platform.pushes.size).toBe(1);
  });

  it("stores what can be stored when something is in the way of one of them", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    await ana.push(ana.ssh(), "main", "main:feature");
    const push = await ana.push(ana.ssh(), "main:refs/heads/feature/x", "main:other", "main:refs/tags/v1");
    expect(push.code).toBe(1);
    expect(push.stderr).toMatch(/remote rejected\] main -> feature\/x \(could not be stored: another branch is in its way/);
    expect(said(push)).toBe(
      "Branch other is stored, not deployed: this app deploys main.\nTo deploy it: plim deploy shop --branch other\nTag v1 is stored; a tag deploys nothing.",
    );
    const atomic = await ana.push(ana.ssh(), "--atomic", "main:refs/heads/feature/x", "main:third");
    expect(atomic.code).toBe(1);
    expect(said(atomic)).toBe("");
    expect(await world.ref(SHOP, "refs/heads/third")).toBe("");
  });
});

describe("a push that takes away or goes back", () => {
  it("deletes branches and tags, but not what is deployed, and says so", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    await ana.push(ana.ssh(), "main", "main:feature", "main:refs/tags/v1");
    const gone = await ana.push(ana.ssh(), ":feature", ":refs/tags/v1");
    expect(gone.code, gone.stderr).toBe(0);
    expect(said(gone)).toBe("Branch feature is deleted.\nTag v1 is deleted.");
    const deployed = await ana.push(ana.ssh(), ":main");
    expect(deployed.code).toBe(1);
    expect(said(deployed)).toBe("main is what this app deploys and cannot be deleted; to remove the app: plim destroy");
    expect(await world.ref(SHOP, "refs/")).toContain(commit);
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(commit);
  });

  it("deploys and stores what was rewritten when it is forced, and asks to fetch first when it is not", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    await ana.commit("Two");
    await ana.git("tag", "v1");
    await ana.push(ana.ssh(), "main", "main:feature", "v1");
    await ana.git("reset", "--quiet", "--hard", "HEAD~1");
    const rewritten = await ana.commit("Another two");
    await ana.git("tag", "--force", "v1");
    const plain = await ana.push(ana.ssh(), "main", "main:feature", "v1");
    expect(plain.code).toBe(1);
    expect(plain.stderr).toMatch(/rejected\] +main -> main \(non-fast-forward\)/);
    const forced = await ana.push(ana.ssh(), "--force", "main", "main:feature", "v1");
    expect(forced.code, forced.stderr).toBe(0);
    expect(said(forced)).toMatch(/Branch feature is stored[\s\S]*Tag v1 is stored[\s\S]*Live/);
    for (const ref of ["heads/main", "heads/feature", "tags/v1"]) expect(await world.ref(SHOP, `refs/${ref}`)).toBe(rewritten);
  });
});

describe("a push from a shallow clone", () => {
  it("is refused with what to do about it where commits are missing on both sides, over SSH and HTTP, and taken where none is", async () => {
    const ana = await world.person("Ana");
    for (const subject of ["One", "Two", "Three"]) await ana.commit(subject);
    const shallow = join(ana.home, "shallow");
    await run(["git", "clone", "--quiet", "--depth", "1", `file://${ana.work}`, shallow], { env: ana.env });
    await ana.trust();
    const push = (url: string) => run(["git", "-C", shallow, "push", url, "HEAD:refs/heads/main"], { env: ana.env, okCodes: [0, 1, 128] });
    for (const url of [ana.ssh(), ana.http()]) {
      const refused = await push(url);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("(shallow update not allowed)");
      expect(said(refused)).toContain("This clone is shallow: it was made with --depth, and the commits below are neither in it nor here.");
      expect(said(refused)).toContain("  git fetch --unshallow");
    }
    expect(world.platform.pushes.size).toBe(0);
    world.platform.deploy = (_push, tell) => tell(live());
    await ana.push();
    await run(["git", "-C", shallow, "commit", "--quiet", "--allow-empty", "-m", "Four"], { env: ana.env });
    const taken = await push(ana.ssh());
    expect(taken.code, taken.stderr).toBe(0);
    expect(said(taken)).not.toContain("shallow");
  });
});

describe("a repository of 100 MB", () => {
  it("goes through the server without staying in its memory", async () => {
    const ana = await world.person("Ana");
    await ana.commit("Begin");
    // Random bytes do not shrink: the time of trying is not what is tested.
    await ana.git("config", "core.compression", "0");
    await run(["dd", "if=/dev/urandom", "of=all", "bs=1M", "count=100", "status=none"], { cwd: ana.work });
    await run(["split", "--bytes=4M", "all", "part-"], { cwd: ana.work });
    await rm(join(ana.work, "all"));
    await ana.commit("100 MB");
    await ana.trust();
    const before = process.memoryUsage().rss;
    let most = before;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss);
    }, 20);
    const push = await run(["git", "push", ana.http(), "main"], { env: ana.env, cwd: ana.work, okCodes: [0, 1, 128], timeoutMs: 120_000 });
    clearInterval(watch);
    expect(push.code, push.stderr).toBe(0);
    // What the pack is streamed through, not the pack.
    expect((most - before) / 1024 ** 2).toBeLessThan(80);
    expect(await world.ref(SHOP, "refs/heads/main")).not.toBe("");
  });
});

describe("a client of Git LFS", () => {
  it("is told that its files are not kept here, over SSH and HTTP", async () => {
    const ana = await world.person("Ana");
    await ana.trust();
    const [program = "", ...options] = ana.sshCommand;
    const words = ["git-lfs-authenticate", "/acme/store/shop.git", "upload"];
    const ssh = await run([program, ...options, "-p", String(world.sshPort), "git@127.0.0.1", ...words], { env: ana.env, okCodes: [1] });
    expect(ssh.stderr).toContain("Plimsoll keeps no Git LFS objects");
    const answer = await world.server.handleHttp(
      new Request("http://localhost/git/acme/store/shop.git/info/lfs/objects/batch", { method: "POST", body: "{}" }),
    );
    expect(answer.status).toBe(501);
    expect(await answer.json()).toEqual({ message: expect.stringContaining("git lfs migrate export") });
  });
});
