import { randomBytes } from "node:crypto";
import { chmod, readFile, stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { AppError, type BuildEvent } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GitWorld, live, said, until } from "./git-fixture.ts";
import type { PushProgress } from "./index.ts";

let world: GitWorld;
beforeEach(async () => {
  world = await GitWorld.open();
});
afterEach(() => world.close());

const SHOP = "acme/store/shop";
const NONE = "0".repeat(40);
const buildFailed: PushProgress = { type: "outcome", outcome: { ok: false, kind: "build_failed", build: 212, liveRelease: 13 } };
const build = (event: BuildEvent): PushProgress => ({ type: "build", event });

describe("git push over SSH", () => {
  it("records the commit, shows the deploy and moves the branch when the release is live", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("Free shipping above 50");
    const push = await ana.push();
    expect(push.stderr).toContain("* [new branch]      main -> main");
    expect(push.code).toBe(0);
    expect(said(push)).toBe(
      `Plimsoll · shop in acme/store · ${commit.slice(0, 7)} "Free shipping above 50"\n\nLive  http://shop-store.localhost:8080     3.6 s after push`,
    );
    expect(await world.platform.recorded(1)).toMatchObject([
      {
        commit,
        oldCommit: NONE,
        branch: "main",
        subject: "Free shipping above 50",
        author: "Ana",
        pusher: { userId: "user_ana", name: "Ana" },
      },
    ]);
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(commit);
  });

  it("shows lines while they happen, not at the end", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    let goOn: () => void = () => undefined;
    world.platform.deploy = (_push, tell) => {
      const step = { index: 0, stage: "web", label: "FROM scratch", line: 1 };
      tell(build({ type: "plan", atMs: 0, dockerfile: "Dockerfile", target: "web", steps: [step] }));
      goOn = () => tell(live());
    };
    const push = await ana.startPush();
    await until(() => push.seen().includes("remote: Build   Dockerfile, target web"));
    expect(push.seen()).not.toContain("Live");
    goOn();
    expect(await push.ended).toMatchObject({ code: 0 });
    expect(push.seen()).toContain("Live");
  });

  it("rejects the push of a commit whose build fails, leaves the branch, and takes the same commit again", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("Broken");
    world.platform.deploy = (_push, tell) => tell(buildFailed);
    const failed = await ana.push();
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("! [remote rejected] main -> main (build failed)");
    expect(said(failed)).toContain("Nothing was released; v13 stays live. Whole log: plim logs --build 212");
    expect(await world.ref(SHOP, "refs/heads/main")).toBe("");

    world.platform.deploy = (_push, tell) => tell(live());
    expect((await ana.push()).code).toBe(0);
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(commit);
    expect((await world.platform.recorded(2)).map((push) => push.commit)).toEqual([commit, commit]);
    expect((await ana.push()).stderr).toContain("Everything up-to-date");
  });

  it("keeps the commit under its push's id before it records the push", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    const kept: string[] = [];
    const record = world.platform.recordPush.bind(world.platform);
    world.platform.recordPush = async (push) => {
      kept.push(await world.ref(SHOP, `refs/plim/pushes/${push.id}`));
      return record(push);
    };
    await ana.push();
    expect(kept).toEqual([commit]);
  });

  it("refuses what the platform refuses in its own words, and does not keep the commit", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    world.platform.recordFailures.push(new AppError("quota_exceeded", "Namespace store builds 2 of 2 already.\nAsk ana@acme.example."));
    const push = await ana.push();
    expect(push.code).toBe(1);
    expect(said(push)).toContain("Namespace store builds 2 of 2 already.\nAsk ana@acme.example.");
    expect(push.stderr).toContain("(quota exceeded)");
    expect(await world.ref(SHOP, "refs/plim/")).toBe("");
  });

  it("records a push although the database did not answer at once", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    world.platform.recordFailures.push(new AppError("unavailable", "no database"), new Error("connection reset"));
    expect((await ana.push()).code).toBe(0);
    expect(await world.platform.recorded(1)).toHaveLength(1);
  });

  it("lets the newer of two pushes win and tells the older", async () => {
    const ana = await world.person("Ana");
    const li = await world.person("Li");
    await ana.commit("Older");
    const newer = await li.commit("Newer");
    let finish: () => void = () => undefined;
    world.platform.deploy = (push, tell) => {
      if (push.commit === newer) finish = () => tell(live());
    };
    const first = await ana.startPush();
    await world.platform.recorded(1);
    const second = await li.startPush();
    const older = await first.ended;
    expect(older.code).toBe(1);
    expect(older.stderr).toContain("(superseded by a newer push)");
    expect(said(older)).toContain(`A newer push (${newer.slice(0, 7)} by Li) took over; this one is not deployed.`);
    finish();
    expect((await second.ended).code).toBe(0);
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(newer);
    // Who was superseded starts from what is live now.
    await ana.commit("Older, again");
    expect((await ana.push()).stderr).toMatch(/rejected.*fetch first/);
  });

  it("goes on with the deploy when the connection is dropped, and ends git", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    const push = await ana.startPush();
    world.platform.deploy = () => undefined;
    const [recorded] = await world.platform.recorded(1);
    expect(recorded).toBeDefined();
    if (recorded === undefined) return;
    await until(async () => (await gitProcesses()) > 0);
    push.kill();
    await until(async () => (await gitProcesses()) === 0);
    expect(await world.ref(SHOP, "refs/heads/main")).toBe("");
    // Nobody is connected: the controller finishes it, as often as it likes.
    expect(await world.server.finishPush(recorded)).toEqual({ moved: true });
    expect(await world.server.finishPush(recorded)).toEqual({ moved: true });
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(commit);
  });

  it("shows the running deploy to who pushes the same commit again, instead of starting another", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    let finish: () => void = () => undefined;
    world.platform.deploy = (_push, tell) => {
      finish = () => tell(live());
    };
    const dropped = await ana.startPush();
    await world.platform.recorded(1);
    dropped.kill();
    const again = await ana.startPush();
    await until(() => again.seen().includes("is being deployed already"));
    finish();
    expect((await again.ended).code).toBe(0);
    expect(world.platform.pushes.size).toBe(1);
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(commit);
  });

  it("goes on with the deploy when the hook is killed", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    world.platform.deploy = () => undefined;
    const push = await ana.startPush();
    const [recorded] = await world.platform.recorded(1);
    const hooks = await pids("proc-receive");
    expect(hooks).toHaveLength(1);
    for (const pid of hooks) process.kill(pid, "SIGKILL");
    const ended = await push.ended;
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain("! [remote rejected] main -> main (fail to run proc-receive hook)");
    if (recorded !== undefined) expect(await world.server.finishPush(recorded)).toEqual({ moved: true });
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(commit);
  });

  it("tells who waits when the server stops, and serves the same repositories with the same key afterwards", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    let finish: () => void = () => undefined;
    world.platform.deploy = (_push, tell) => {
      finish = () => tell(live());
    };
    const push = await ana.startPush();
    await world.platform.recorded(1);
    await until(async () => (await gitProcesses()) > 0);
    const { hostKey } = world;
    await world.restart();
    const ended = await push.ended;
    expect(ended.code).toBe(1);
    expect(said(ended)).toContain("Plimsoll is being restarted. The deploy goes on without you: push again to see it.");
    expect(ended.stderr).toContain("(the platform is being restarted)");
    expect(await gitProcesses()).toBe(0);
    expect(world.hostKey).toBe(hostKey);
    const again = await ana.startPush();
    await until(() => again.seen().includes("is being deployed already"));
    finish();
    expect((await again.ended).code).toBe(0);
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(commit);
  });

  it("stores other branches and tags, says that they are not deployed, and deletes them", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    await ana.git("tag", "v1");
    const push = await ana.push(ana.ssh(), "main", "main:feature/x", "v1");
    expect(push.code).toBe(0);
    expect(said(push)).toContain("Branch feature/x is stored, not deployed: this app deploys main.");
    expect(await world.platform.recorded(1)).toHaveLength(1);
    for (const ref of ["heads/main", "heads/feature/x", "tags/v1"]) expect(await world.ref(SHOP, `refs/${ref}`)).toBe(commit);
    expect((await ana.push(ana.ssh(), ":feature/x")).code).toBe(0);
    expect(await world.ref(SHOP, "refs/heads/feature/x")).toBe("");
    const deleted = await ana.push(ana.ssh(), ":main");
    expect(deleted.stderr).toContain("! [remote rejected] main (deployed branch)");
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(commit);
  });

  it("stores nothing of an atomic push whose deploy fails", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    world.platform.deploy = (_push, tell) => tell(buildFailed);
    const push = await ana.push(ana.ssh(), "--atomic", "main", "main:feature");
    expect(push.code).toBe(1);
    expect(await world.ref(SHOP, "refs/heads/")).toBe("");
  });

  it("gives a clone the branch that is deployed, whatever it is called", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    expect((await ana.push(ana.ssh(), "main:master")).code).toBe(0);
    const listed = await ana.git("ls-remote", "--symref", ana.ssh(), "HEAD");
    expect(listed.stdout).toBe(`ref: refs/heads/master\tHEAD\n${commit}\tHEAD\n`);
  });

  it("lets a clone see branches and no kept push, and nobody change kept pushes", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    await ana.push();
    const listed = await ana.git("ls-remote", ana.ssh());
    expect(listed.stdout).toBe(`${commit}\tHEAD\n${commit}\trefs/heads/main\n`);
    const forbidden = await ana.push(ana.ssh(), "main:refs/plim/pushes/mine");
    expect(forbidden.stderr).toContain("deny updating a hidden ref");
  });

  it("gives a builder the commit of a push that no branch holds", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("Broken");
    world.platform.deploy = (_push, tell) => tell(buildFailed);
    await ana.push();
    const li = await world.person("Li");
    await li.commit("Elsewhere");
    await li.trust();
    expect((await li.git("fetch", li.ssh(), commit)).code).toBe(0);
    expect((await li.git("cat-file", "-t", commit)).stdout).toBe("commit\n");
  });

  it("shows no control characters of a commit's subject", async () => {
    const ana = await world.person("Ana");
    await ana.commit("\u001b]0;owned\u0007sub\u001b[31mject");
    expect((await ana.push()).stderr).toContain('"subject"');
  });
});

describe("housekeeping", () => {
  it("forgets all but the newest twenty finished pushes, and no open one", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    await ana.push();
    const [push] = await world.platform.recorded(1);
    if (push === undefined) throw new Error("no push");
    const entry = (id: string, over: boolean) => ({ push: { ...push, id }, told: [], over, recordedAtMs: 0 });
    const old = Array.from({ length: 25 }, (_, at) => `push_0${String(at).padStart(2, "0")}`);
    for (const id of old) world.platform.pushes.set(id, entry(id, id !== "push_003"));
    const lines = old.map((id) => `create refs/plim/pushes/${id} ${commit}\n`).join("");
    await run(["git", "--git-dir", world.repository(SHOP), "update-ref", "--stdin"], { stdin: lines });
    await world.server.finishPush(push);
    const kept = async () => (await world.ref(SHOP, "refs/plim/pushes/")).split("\n").length;
    await until(async () => (await kept()) === 21);
    expect(await world.ref(SHOP, "refs/plim/pushes/push_003")).toBe(commit);
    expect(await world.ref(SHOP, `refs/plim/pushes/${push.id}`)).toBe(commit);
  });
});

describe("the scan for pushes without a row", () => {
  it("records a push that was kept when the server died, with all that was known of it", async () => {
    const ana = await world.person("Ana  B. 'C'");
    await ana.commit("One");
    await ana.push();
    const second = await ana.commit("Two");
    await ana.push();
    const [first, lost] = await world.platform.recorded(2);
    if (first === undefined || lost === undefined) throw new Error("no pushes");
    world.platform.pushes.delete(lost.id);
    expect(await world.server.scanPushes()).toEqual({ recorded: 1 });
    expect((await world.platform.recorded(2))[1]).toEqual(lost);
    expect(lost).toMatchObject({ commit: second, oldCommit: first.commit, pusher: { name: "Ana  B. 'C'" } });
    expect(await world.server.scanPushes()).toEqual({ recorded: 0 });
  });

  it("drops one that a newer push has overtaken", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    await ana.push();
    await ana.commit("Two");
    await ana.push();
    const [first, second] = await world.platform.recorded(2);
    world.platform.pushes.delete(first?.id ?? "");
    expect(await world.server.scanPushes()).toEqual({ recorded: 0 });
    expect(await world.ref(SHOP, "refs/plim/")).toBe(second?.commit);
  });

  it("is made at every start", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    await ana.push();
    world.platform.pushes.clear();
    await world.restart();
    expect(world.platform.pushes.size).toBe(1);
  });
});

describe("finishing a push", () => {
  it("does not step over a newer push that is live", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    await ana.push();
    const [first] = await world.platform.recorded(1);
    const second = await ana.commit("Two");
    await ana.push();
    if (first !== undefined) expect(await world.server.finishPush(first)).toEqual({ moved: false, reason: "a newer push is live" });
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(second);
  });

  it("may be done by several at once", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    world.platform.deploy = () => undefined;
    const running = await ana.startPush();
    const [push] = await world.platform.recorded(1);
    if (push === undefined) throw new Error("no push");
    const finished = await Promise.all(Array.from({ length: 5 }, () => world.server.finishPush(push)));
    expect(finished).toEqual(Array(5).fill({ moved: true }));
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(commit);
    running.kill();
  });

  it("steps over an older push whose branch moved after this one came in", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    await ana.push();
    const [first] = await world.platform.recorded(1);
    if (first === undefined) throw new Error("no push");
    const second = await ana.commit("Two");
    await ana.push(ana.ssh(), "main:stored");
    const push = { id: `${first.id}z`, appUid: first.appUid, commit: second, oldCommit: NONE, branch: "main" };
    expect(await world.server.finishPush(push)).toEqual({ moved: true });
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(second);
  });

  it("says so when the branch holds what no push brought, or the app is gone", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    await ana.push();
    const [push] = await world.platform.recorded(1);
    if (push === undefined) throw new Error("no push");
    await run(["git", "--git-dir", world.repository(SHOP), "update-ref", "-d", "refs/heads/main", commit]);
    expect(await world.server.finishPush({ ...push, oldCommit: commit })).toEqual({
      moved: false,
      reason: "it was changed meanwhile; fetch, then push again",
    });
    await world.server.removeRepository(push.appUid);
    await world.server.removeRepository(push.appUid);
    expect(await world.server.finishPush(push)).toEqual({ moved: false, reason: "the app's repository is gone" });
  });
});

describe("the SSH door", () => {
  it("takes no RSA key that is too short to prove anything", async () => {
    const ana = await world.person("Ana", { keyType: "rsa", keyBits: 1024 });
    await ana.commit("One");
    const push = await ana.push();
    expect(push.code).toBe(128);
    expect(push.stderr).toContain("No usable SSH key was offered. Make one with ssh-keygen -t ed25519");
  });

  it("takes no push above the limit", async () => {
    const small = await GitWorld.open(undefined, 100_000);
    try {
      const ana = await small.person("Ana");
      await ana.commit("Large", randomBytes(200_000).toString("base64"));
      const push = await ana.push();
      expect(push.stderr).toContain("pack exceeds maximum allowed size");
      expect(push.code).toBe(1);
      expect(small.platform.pushes.size).toBe(0);
    } finally {
      await small.close();
    }
  });

  it("takes and gives many megabytes, with new keys on the way", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("Large", randomBytes(15_000_000).toString("base64"));
    await ana.trust();
    const env = { ...ana.env, GIT_SSH_COMMAND: [...ana.sshCommand, "-o", "RekeyLimit=1M"].join(" ") };
    expect((await run(["git", "push", ana.ssh(), "main"], { env, cwd: ana.work })).code).toBe(0);
    const clone = join(ana.home, "clone");
    await run(["git", "clone", "--quiet", ana.ssh(), clone], { env });
    expect((await run(["git", "-C", clone, "rev-parse", "HEAD"])).stdout.trim()).toBe(commit);
  });

  it.each([
    "../x",
    "acme/../../etc/passwd",
    "acme/store/$(touch pwned)",
    "acme/store/;id",
    "acme/store/a`id`",
    "acme/store",
    "acme/store/shop/hooks",
    "etc/passwd/..",
    "acme/store/-x",
  ])("refuses the path %j with a sentence", async (path) => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    const push = await ana.push(`git@127.0.0.1:${path}`.replace("git@127.0.0.1:", `ssh://git@127.0.0.1:${world.sshPort}/`));
    expect(push.code).toBe(128);
    expect(push.stderr).toContain("fatal: remote error: That is no repository path: it must be /<team>/<namespace>/<app>.git");
    expect(world.platform.apps.size).toBe(0);
  });

  it("says in the platform's words why an app cannot be opened", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    const push = await ana.push(ana.ssh("others/store/shop.git"));
    expect(push.stderr).toContain("fatal: remote error: There is no others/store/shop that Ana can see: ask an owner of team others.");
  });

  it("tells who has an unknown key what to do, and lets nobody in", async () => {
    const eve = await world.person("Eve", { known: false });
    await eve.commit("One");
    const push = await eve.push();
    expect(push.code).toBe(128);
    expect(push.stderr).toContain("Permission denied");
    expect(push.stderr).toContain(
      `No one here has this SSH key: ${eve.fingerprint}. Add its .pub file in the portal: http://localhost:8080`,
    );
    expect(world.platform.apps.size).toBe(0);
  });

  it("takes a known key that is offered after unknown ones, and keys of other types", async () => {
    for (const keyType of ["rsa", "ecdsa"]) {
      const ana = await world.person("Ana", { keyType });
      const other = await world.person("Other", { known: false });
      await ana.commit(keyType);
      await ana.trust();
      const ssh = [...ana.sshCommand, "-i", join(other.home, "id")].join(" ");
      const ls = await run(["git", "ls-remote", ana.ssh(`acme/store/${keyType}.git`)], {
        env: { ...ana.env, GIT_SSH_COMMAND: ssh },
        okCodes: [0, 128],
      });
      expect(ls.stderr).toContain(`There is no app acme/store/${keyType}: push to create it.`);
    }
  });

  it("greets who comes without git, and runs no other command", async () => {
    const ana = await world.person("Ana");
    await ana.trust();
    const [program = "", ...options] = ana.sshCommand;
    const ssh = (...args: readonly string[]) =>
      run([program, ...options, "-p", String(world.sshPort), "git@127.0.0.1", ...args], { env: ana.env, okCodes: [0, 1, 255] });
    const shell = await ssh();
    expect(shell).toMatchObject({ code: 1, stdout: expect.stringContaining("Hello Ana! Your key works. There is no shell here") });
    expect(await ssh("id")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: "Plimsoll takes git pushes and fetches here, no other command.\n",
    });
    expect((await ssh("-s", "sftp")).stderr).toContain("subsystem request failed");
    expect((await ssh("-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:localhost:80")).stderr).toContain("remote port forwarding failed");
  });

  it("gives an app's git nothing of the client's environment but the protocol version", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    await ana.trust();
    const ssh = [...ana.sshCommand, "-o", "SetEnv=GIT_TRACE=1"].join(" ");
    const push = await run(["git", "push", ana.ssh(), "main"], {
      env: { ...ana.env, GIT_SSH_COMMAND: ssh },
      cwd: ana.work,
      okCodes: [0, 128],
    });
    expect(push.code).toBe(0);
    expect(push.stderr).not.toContain("receive-pack");
  });

  it("survives garbage on the wire, before and after the greeting", async () => {
    for (const garbage of ["GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n\xff\xff\xff\xffgarbage", "SSH-1.0-old\r\n", "\0".repeat(100_000)]) {
      await new Promise<void>((resolve) => {
        const socket = connect(world.sshPort, "127.0.0.1", () => socket.write(Buffer.from(garbage, "latin1")));
        socket.on("error", () => undefined);
        socket.on("close", () => resolve());
        socket.resume();
        setTimeout(() => socket.destroy(), 300);
      });
    }
    const ana = await world.person("Ana");
    await ana.commit("One");
    expect((await ana.push()).code).toBe(0);
  });

  it("survives a client that speaks SSH well and git badly", async () => {
    const ana = await world.person("Ana");
    await ana.trust();
    const [program = "", ...options] = ana.sshCommand;
    const spoken = await run(
      [program, ...options, "-p", String(world.sshPort), "git@127.0.0.1", "git-receive-pack '/acme/store/shop.git'"],
      {
        env: ana.env,
        stdin: "zzzz this is no pkt-line",
        okCodes: [0, 1, 128],
      },
    );
    expect(spoken.code).toBe(128);
    await ana.commit("One");
    expect((await ana.push()).code).toBe(0);
  });

  it("refuses objects that git's own check finds broken", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    const tree = (await ana.git("rev-parse", "HEAD^{tree}")).stdout.trim();
    const forged = `tree ${tree}\nauthor Ana <a@b> 1 +0000\ncommitter no-date\n\nx\n`;
    const hash = await run(["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"], {
      env: ana.env,
      cwd: ana.work,
      stdin: forged,
    });
    const push = await ana.push(ana.ssh(), `${hash.stdout.trim()}:refs/heads/main`);
    expect(push.stderr).toMatch(/remote: (fatal: fsck|error: .*missingEmail|error: object .*)/i);
    expect(push.code).toBe(1);
    expect(await world.ref(SHOP, "refs/heads/")).toBe("");
  });

  it("keeps its key to itself and does not start with one that others could read", async () => {
    const path = join(world.directory, "ssh_host_ed25519_key");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, "utf8")).toContain("OPENSSH PRIVATE KEY");
    await world.stop();
    await chmod(path, 0o644);
    await expect(world.restart()).rejects.toMatchObject({ code: "precondition_failed" });
    await chmod(path, 0o600);
  });
});

describe("the hook's socket", () => {
  it("gives a stranger nothing, and takes no push under a name that is not a session", async () => {
    const answer = await new Promise<string>((resolve) => {
      let text = "";
      const socket = connect(join(world.directory, "hook.sock"), () => socket.write(`${"x".repeat(43)}\n0010version=1\0\n0000`));
      socket.on("data", (chunk) => {
        text += chunk.toString("utf8");
      });
      socket.on("close", () => resolve(text));
    });
    expect(answer).toContain("This push is not known to the platform");
    expect(world.platform.pushes.size).toBe(0);
    expect((await stat(join(world.directory, "hook.sock"))).mode & 0o777).toBe(0o600);
  });

  it("is no way around the platform: git alone cannot push into a repository", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    await ana.push();
    await ana.commit("Two");
    const push = await ana.git("push", world.repository(SHOP), "main");
    expect(push.stderr).toContain("cannot find hook 'proc-receive'");
    expect(push.code).toBe(1);
  });

  it("is needed by the hook, which says so when it is run by hand", async () => {
    const hook = await run([join(world.directory, "hooks", "proc-receive")], { okCodes: [1] });
    expect(hook.stderr).toBe("This repository takes pushes through Plimsoll only.\n");
  });
});

/** Processes of this world's server, found by its directory in their arguments or environment. */
async function pids(word: string): Promise<readonly number[]> {
  const { stdout } = await run(["pgrep", "-f", `${world.directory}.*${word}|${word}.*${world.directory}`], { okCodes: [0, 1] });
  return stdout.split("\n").filter(Boolean).map(Number);
}

async function gitProcesses(): Promise<number> {
  return (await pids("receive-pack")).length + (await pids("proc-receive")).length;
}
