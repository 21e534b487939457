import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createGit, gitEnvironment } from "../git-command.ts";
import { GitWorld, type Person } from "../git-fixture.ts";
import { fetchRemote, type RemoteBranch } from "./fetch-remote.ts";
import { newDeployKeyPair } from "./key-pair.ts";
import { parseRemote } from "./remote-url.ts";

/** The repository elsewhere is a real one, behind a real git server: ours, over SSH and smart HTTP. */
let world: GitWorld;
let ana: Person;
let repository: string;
let scratch: string;
const servers: Server[] = [];

beforeEach(async () => {
  world = await GitWorld.open();
  ana = await world.person("Ana");
  await ana.commit("One");
  await ana.push();
  repository = join(world.directory, "mine.git");
  await run(["git", "init", "--quiet", "--bare", "--template=", repository]);
  scratch = await mkdtemp(join(tmpdir(), "plimsoll-git-scratch-"));
  // nobody may pass
  await chmod(scratch, 0o711);
});
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  await world.close();
  await rm(scratch, { recursive: true, force: true });
});

const TOKEN = { kind: "token", token: "token-of-Ana" } as const;
const http = (path = "/git/acme/store/shop.git") => `http://git.example:${world.httpPort}${path}`;

function fetch(change: Partial<Omit<RemoteBranch, "remote">> & { readonly url?: string } = {}, maxBytes = 1024 ** 3) {
  const environment = gitEnvironment({ hooksDir: join(world.directory, "hooks"), maxPushBytes: maxBytes });
  const { url = http(), ...rest } = change;
  return fetchRemote(
    { remote: parseRemote(url), branch: "main", credential: TOKEN, knownHosts: "", address: "127.0.0.1", ...rest },
    { git: createGit(environment), environment, repository, scratchDir: scratch, maxBytes },
  );
}

const refOf = async (ref: string) =>
  (await run(["git", "--git-dir", repository, "for-each-ref", "--format=%(objectname)", ref])).stdout.trim();

async function listen(answer: Parameters<typeof createServer>[1]): Promise<number> {
  const server = createServer(answer as never);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return (server.address() as AddressInfo).port;
}

describe("fetching a branch from elsewhere", () => {
  it("brings it by smart HTTP with a token, then only what is new, and leaves nothing but the commits", async () => {
    // A name that no resolver knows: git connects to the address that it was told.
    const first = await fetch();
    expect(first.commit).toBe((await ana.git("rev-parse", "main")).stdout.trim());
    expect(await refOf("refs/heads/main")).toBe(first.commit);
    await ana.commit("Large", "x".repeat(3_000_000), "large");
    await ana.push();
    await fetch();
    const packs = async () => (await readdir(join(repository, "objects/pack"))).filter((name) => name.endsWith(".pack"));
    expect(await packs()).toHaveLength(2);
    const third = await ana.commit("Small");
    await ana.push();
    expect((await fetch()).commit).toBe(third);
    const sizes = (await run(["git", "--git-dir", repository, "count-objects", "-v"])).stdout;
    expect(sizes).toMatch(/^packs: 3$/m);
    expect((await fetch()).commit).toBe(third);
    expect(await packs()).toHaveLength(3);
    expect((await run(["git", "--git-dir", repository, "fsck", "--strict"])).stderr).not.toMatch(/error|missing/);
    expect(await readdir(scratch)).toEqual([]);
  });

  it("takes what was rewritten, and says what is wrong: no such branch, no access, no repository", async () => {
    await fetch();
    await ana.git("commit", "--quiet", "--amend", "-m", "Another one");
    await ana.push(ana.ssh(), "--force", "main");
    expect((await fetch()).commit).toBe((await ana.git("rev-parse", "main")).stdout.trim());
    const why = (message: RegExp) => ({ code: "unavailable", message: expect.stringMatching(message) });
    await expect(fetch({ branch: "release" })).rejects.toMatchObject(why(/: it has no branch release\.$/));
    await expect(fetch({ credential: { kind: "none" } })).rejects.toMatchObject(why(/it asks who we are: give a token or a deploy key/));
    await expect(fetch({ credential: { kind: "token", token: "wr0ng" } })).rejects.toMatchObject(why(/it does not take the token/));
    await expect(fetch({ url: http("/git/acme/store/none.git") })).rejects.toMatchObject(why(/could not be fetched: /));
    await expect(fetch({ credential: { kind: "token", token: "wr0ng" } })).rejects.not.toMatchObject({
      message: expect.stringContaining("wr0ng"),
    });
  });

  it("brings it over SSH with a key that was made for it, remembers the server's key, and takes no other", async () => {
    const pair = newDeployKeyPair("plimsoll-shop");
    const file = join(world.directory, "deploy.pub");
    await writeFile(file, `${pair.publicKey}\n`);
    const fingerprint = (await run(["ssh-keygen", "-l", "-f", file])).stdout.split(" ")[1] ?? "";
    const url = `ssh://git@git.example:${world.sshPort}/acme/store/shop.git`;
    const credential = { kind: "key", privateKey: pair.privateKey } as const;
    await expect(fetch({ url, credential })).rejects.toMatchObject({ message: expect.stringContaining("it does not take the deploy key") });
    world.platform.keys.set(fingerprint, { userId: "deploy-key", name: "deploy key" });
    const { commit, knownHosts } = await fetch({ url, credential });
    expect(await refOf("refs/heads/main")).toBe(commit);
    expect(knownHosts).toContain(world.hostKey);
    expect((await fetch({ url, credential, knownHosts })).commit).toBe(commit);
    const other = `[git.example]:${world.sshPort} ${newDeployKeyPair("").publicKey}\ngit.example ${newDeployKeyPair("").publicKey}\n`;
    await expect(fetch({ url, credential, knownHosts: other })).rejects.toMatchObject({
      message: expect.stringContaining("its SSH host key is another than before"),
    });
  });

  it("follows no redirect, whatever is behind it", async () => {
    let reached = 0;
    const inner = await listen((_request, response) => {
      reached++;
      response.end("inner");
    });
    const door = await listen((request, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${inner}${request.url}` }).end();
    });
    await expect(fetch({ url: `http://git.example:${door}/shop.git` })).rejects.toMatchObject({ code: "unavailable" });
    expect(reached).toBe(0);
  });

  it("runs as nobody, who sees no repository but the one it fetches into, and keeps its token out of its arguments", async () => {
    const seen: string[] = [];
    const port = await listen(async (_request, response) => {
      const { stdout } = await run(["ps", "-eo", "uid,args"]);
      seen.push(...stdout.split("\n").filter((line) => line.includes(`git.example:${port}`)));
      response.writeHead(404).end();
    });
    await expect(fetch({ url: `http://git.example:${port}/shop.git` })).rejects.toMatchObject({ code: "unavailable" });
    expect(seen.length).toBeGreaterThan(0);
    for (const line of seen) expect(line).toMatch(/^ *65534 /);
    expect(seen.join("\n")).not.toContain(TOKEN.token);
    expect(seen.join("\n")).not.toContain(Buffer.from(`plimsoll:${TOKEN.token}`).toString("base64"));
  });

  it("ends where it would bring more than it may", async () => {
    await ana.commit("Large", (await run(["openssl", "rand", "-base64", "3000000"])).stdout, "large");
    await ana.push();
    await expect(fetch({}, 1_000_000)).rejects.toMatchObject({ code: "unavailable" });
    expect(await refOf("refs/heads/main")).toBe("");
    expect(await readdir(scratch)).toEqual([]);
  });
});
