import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChildProcess, minimalEnv, run, start } from "@plimsoll/exec";
import { ensureNetworkNamespace, removeNetworkNamespace } from "@plimsoll/host";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { FETCH_ENV, FetchNetwork } from "./execute/build-network.ts";
import { resolveGit } from "./execute/fetch-git.ts";
import { SshWays } from "./execute/ssh-way.ts";
import { BuildHost, failureOf, imageOf } from "./testing/build-host.ts";
import { commitFiles } from "./testing/repository.ts";

/** In a mount namespace of its own, for the user `git`, whose keys are its and nobody's else. */
const SERVER = 'mount --bind "$1/passwd" /etc/passwd && exec dropbear -F -E -s -r "$1/$2" -p 127.0.0.1:22 -p 127.0.0.1:2222';

describe("builder, ADD of a repository over SSH", () => {
  let host: BuildHost;
  let dir: string;
  let first = "";
  let second = "";
  let hostKey = "";
  const keys = { good: "", other: "" };
  const servers: ChildProcess[] = [];
  const file = (name: string) => join(dir, name);
  const remote = () => `git@127.0.0.1:${file("tool.git")}`;

  const serve = async (network: string, key = "host-key") => {
    const argv = ["nsenter", `--net=${network}`, "--", "unshare", "--mount", "sh", "-c", SERVER, "sh", dir, key];
    const child = await start(argv, { stdio: ["ignore", "ignore", "pipe"], env: minimalEnv });
    servers.push(child);
    await new Promise<void>((resolve, reject) => {
      child.stderr?.once("data", () => resolve());
      child.once("exit", () => reject(new Error("the server did not start")));
    });
  };

  beforeAll(async () => {
    host = await BuildHost.open();
    host.onNetwork = (path) => serve(path);
    dir = mkdtempSync(join(tmpdir(), "plimsoll-add-ssh-"));
    mkdirSync(file(".ssh"), { mode: 0o700 });
    writeFileSync(file("passwd"), `${readFileSync("/etc/passwd", "utf8")}git:*:0:0::${dir}:/bin/sh\n`);
    for (const name of ["good", "other"] as const) {
      await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "of a test", "-f", file(name)]);
      keys[name] = readFileSync(file(name), "utf8");
    }
    writeFileSync(file(".ssh/authorized_keys"), readFileSync(file("good.pub")), { mode: 0o600 });
    const made = await run(["dropbearkey", "-t", "ed25519", "-f", file("host-key")]);
    await run(["dropbearkey", "-t", "ed25519", "-f", file("other-host-key")]);
    hostKey = /^ssh-ed25519 \S+/m.exec(made.stdout)?.[0] ?? "";
    await run(["git", "init", "-q", "--bare", file("tool.git")]);
    const files = { "README.md": "one\n", "src/run": { content: "#!", mode: "755" as const } };
    first = await commitFiles(file("tool.git"), files, { seconds: 1_600_000_000, branch: "main" });
    await run(["git", `--git-dir=${file("tool.git")}`, "tag", "v1", first]);
    second = await commitFiles(file("tool.git"), { "README.md": "two\n" }, { seconds: 1_650_000_000, branch: "main" });
    await run(["git", `--git-dir=${file("tool.git")}`, "symbolic-ref", "HEAD", "refs/heads/main"]);
  });
  const stop = async () => {
    for (const child of servers.splice(0)) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    }
  };
  afterEach(stop);
  afterAll(async () => {
    rmSync(dir, { recursive: true, force: true });
    await host[Symbol.asyncDispose]();
  });

  const add = (line: string, secrets: Readonly<Record<string, string>> = { SSH_KEY: keys.good }) =>
    host.build({ Dockerfile: `FROM busybox\n${line}\n` }, { request: { secrets } });

  it("brings the default branch, a tag's directory and a commit with the app's key, which stays nowhere", async () => {
    const built = await add(`ADD ${remote()} /src`);
    using main = host.layerTree(imageOf(built), -1);
    expect(main.readFile("/src/README.md").toString()).toBe("two\n");
    expect(main.lstat("/src/README.md")).toMatchObject({ uid: 0, gid: 0, mtimeMs: 1_650_000_000_000 });
    expect(main.exists("/src/.git")).toBe(false);
    expect(JSON.stringify([imageOf(built), built.events])).not.toContain(keys.good.split("\n")[2]);
    using tagged = host.layerTree(imageOf(await add(`ADD ssh://git@127.0.0.1:2222${file("tool.git")}#v1:src /src/`)), -1);
    expect(tagged.readdir("/src").map(String)).toEqual(["run"]);
    using kept = host.layerTree(imageOf(await add(`ADD --keep-git-dir ssh://127.0.0.1${file("tool.git")}#${first} /src`)), -1);
    expect(kept.readFile("/src/README.md").toString()).toBe("one\n");
    expect(kept.readFile("/src/.git/config").toString()).not.toMatch(/sshCommand|ssh-config/);
    const { stdout } = await run(["ps", "-eo", "args"]);
    expect(stdout.split("\n").filter((line) => line.startsWith("ssh-agent") && line.includes(host.layout.tag))).toEqual([]);
  });

  it("asks nobody, and needs no key, for a commit that it has; a branch is asked for with the key", async () => {
    const exact = `ADD ${remote()}#${second} /tool`;
    imageOf(await add(exact));
    host.onNetwork = async () => undefined;
    try {
      expect((await add(exact, {})).steps.done).toEqual([]);
    } finally {
      host.onNetwork = (path) => serve(path);
    }
    imageOf(await add(`ADD ${remote()}#main /tool`));
    expect(failureOf(await add(`ADD ${remote()}#main /tool`, {})).message).toContain("no key");
  });

  it("says what to do without a key, and with one that the server does not take", async () => {
    const without = failureOf(await add(`ADD ${remote()} /x`, { SSH_KEY_DEPLOY: keys.good }));
    expect(without).toMatchObject({
      reason: "context",
      line: 2,
      message: expect.stringContaining("plim secrets set APP SSH_KEY < deploy-key"),
    });
    const refused = failureOf(await add(`ADD ${remote()} /x`, { SSH_KEY: keys.other }));
    expect(refused).toMatchObject({ reason: "context", line: 2, message: expect.stringContaining("does not take the app's SSH key") });
    expect(failureOf(await add(`ADD ${remote()} /x`, { SSH_KEY: "no key" })).message).toMatch(/SSH key "default" cannot be used/);
    expect(failureOf(await add(`ADD ${remote()}#nowhere /x`)).message).toContain("no branch or tag nowhere");
  });

  it("insists on the host keys that the app names (control: named rightly, it goes on)", async () => {
    const other = readFileSync(file("other.pub"), "utf8").split(" ").slice(0, 2).join(" ");
    const known = (key: string) => ({ SSH_KEY: keys.good, SSH_KNOWN_HOSTS: `127.0.0.1 ${key}` });
    const refused = failureOf(await add(`ADD ${remote()}#v1 /known`, known(other)));
    expect(refused).toMatchObject({ reason: "context", message: expect.stringContaining("SSH_KNOWN_HOSTS") });
    imageOf(await add(`ADD ${remote()}#v1 /known`, known(hostKey)));
  });

  it("insists within a build on the host key that it met first (control: another build meets it anew)", async () => {
    const scratchDir = mkdtempSync(join(dir, "scratch-"));
    for (const one of [dir, scratchDir]) chmodSync(one, 0o711);
    const path = await ensureNetworkNamespace(host.layout, "ssh");
    /** Of this process, the resolver's files stay as they are. */
    class OnlyNetwork extends FetchNetwork {
      override argv(_: unknown, program: readonly string[]): readonly string[] {
        return ["nsenter", `--net=${path}`, "--", ...program];
      }
    }
    const ask = async (ways: SshWays) => {
      await using ssh = await ways.open({ id: "default", key: Buffer.from(keys.good).toString("base64") });
      const way = { network: { path, nameservers: [] }, through: new OnlyNetwork(scratchDir), sshEnv: ssh.env };
      return await resolveGit(`ssh://git@127.0.0.1:2222${file("tool.git")}`, "v1", way);
    };
    const newWays = () => new SshWays({ scratchDir, agentId: 300_000 });
    const ways = newWays();
    await serve(path);
    expect(await ask(ways)).toBe(first);
    await stop();
    await serve(path, "other-host-key");
    await expect(ask(ways)).rejects.toThrow("SSH host key");
    expect(await ask(newWays())).toBe(first);
    await removeNetworkNamespace(host.layout, "ssh");
  });

  it("runs no command of the address and of the environment, and writes no more than the build may", async () => {
    const proof = file("proof");
    for (const line of [`ADD git@127.0.0.1:'$(touch${proof})' /x`, `ADD "ssh://-oProxyCommand=touch%20${proof}/x" /x`]) {
      expect((await add(line)).outcome.kind).toBe("failure");
    }
    expect(readdirSync(dir)).not.toContain("proof");
    expect(FETCH_ENV.GIT_ALLOW_PROTOCOL).not.toContain("ssh");
  });
});
