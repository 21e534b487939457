import { randomBytes } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import { run } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GitWorld, live, said, until } from "./git-fixture.ts";

let world: GitWorld;
beforeEach(async () => {
  world = await GitWorld.open();
});
afterEach(() => world.close());

const SHOP = "acme/store/shop";

function ask(path: string, init: RequestInit & { token?: string } = {}): Promise<Response> {
  const authorization = init.token === undefined ? {} : { authorization: `Basic ${Buffer.from(`x:${init.token}`).toString("base64")}` };
  return world.server.handleHttp(new Request(`http://localhost${path}`, { ...init, headers: { ...authorization, ...init.headers } }));
}

describe("git over smart HTTP", () => {
  it("pushes as over SSH: deploy shown, branch moved", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    const push = await ana.push(ana.http());
    expect(push.code).toBe(0);
    expect(said(push)).toBe(
      `Plimsoll · shop in acme/store · ${commit.slice(0, 7)} "One"\n\nLive  http://shop-store.localhost:8080     3.6 s after push`,
    );
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(commit);
  });

  it("takes a commit that is to be built: no branch, no deploy, and it can be fetched", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("For a build");
    for (let times = 0; times < 2; times++) expect((await ana.push(ana.http(), "HEAD:refs/for-build/head")).code).toBe(0);
    const appUid = world.platform.apps.get(SHOP) ?? "";
    expect(await world.server.readCommit(appUid, commit)).toMatchObject({ subject: "For a build" });
    expect(await world.server.readCommit(appUid, "f".repeat(40))).toBeUndefined();
    expect(await world.server.readCommit("app_none", commit)).toBeUndefined();
    expect(await world.ref(SHOP, "refs/heads/main")).toBe("");
    expect(world.platform.pushes.size).toBe(0);
    const other = `${ana.home}/other`;
    await run(["git", "init", "-q", other]);
    await run(["git", "-C", other, "fetch", "-q", ana.http(), commit], { env: ana.env });
  });

  it("needs to be sent only what the last one for a build did not have, whoever sent it", async () => {
    const ana = await world.person("Ana");
    for (let index = 0; index < 20; index++) await ana.commit(`Number ${index}`);
    const sent = async () => {
      const { stderr } = await ana.push(ana.http(), "HEAD:refs/for-build/head", "--progress");
      return Number(/Total (\d+)/.exec(stderr)?.[1]);
    };
    const kept = () => world.ref(SHOP, "refs/for-build/head");
    expect(await sent()).toBeGreaterThan(20);
    const first = (await ana.git("rev-parse", "HEAD")).stdout.trim();
    await expect.poll(kept).toBe(first);
    const next = await ana.commit("Next");
    expect(await sent()).toBeLessThanOrEqual(3);
    await expect.poll(kept).toBe(next);
    // The control: where none is kept, all of it is sent again.
    await run(["git", "--git-dir", world.repository(SHOP), "update-ref", "-d", "refs/for-build/head"]);
    await ana.commit("Again");
    expect(await sent()).toBeGreaterThan(20);
  });

  it("rejects a failed deploy with its reason", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    world.platform.deploy = (_push, tell) =>
      tell({ type: "outcome", outcome: { ok: false, kind: "never_ready", release: 15, deployment: 15, liveRelease: 14 } });
    const push = await ana.push(ana.http());
    expect(push.code).toBe(1);
    expect(push.stderr).toContain("! [remote rejected] main -> main (release v15 never became ready)");
    expect(await world.ref(SHOP, "refs/heads/main")).toBe("");
  });

  it("shows lines while they happen, not at the end", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    let finish: () => void = () => undefined;
    world.platform.deploy = (_push, tell) => {
      finish = () => tell(live());
    };
    const push = await ana.startPush(ana.http());
    await until(() => push.seen().includes('"One"') && world.platform.pushes.size === 1);
    finish();
    expect((await push.ended).code).toBe(0);
  });

  it("takes a push of many megabytes, in chunks", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("Large", randomBytes(8_000_000).toString("base64"));
    expect((await ana.push(ana.http())).code).toBe(0);
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(commit);
  });

  it("clones and fetches, by protocol 2 and 0, with a token that may only read", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    await ana.push(ana.http());
    world.platform.tokens.set("build-token", { userId: "build", name: "build 1", readOnly: true });
    for (const version of ["2", "0"]) {
      const clone = `${ana.home}/clone-${version}`;
      const url = ana.http(`${SHOP}.git`, "build-token");
      expect((await run(["git", "-c", `protocol.version=${version}`, "clone", "--quiet", url, clone], { env: ana.env })).code).toBe(0);
      expect((await run(["git", "-C", clone, "rev-parse", "HEAD"])).stdout.trim()).toBe(commit);
    }
    await ana.commit("Two");
    const push = await ana.push(ana.http(`${SHOP}.git`, "build-token"));
    expect(push.stderr).toContain("remote: This token can only read.");
    expect(push.code).toBe(128);
  });

  it("takes the token as user name where the URL has no password", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    expect((await ana.push(ana.http().replace("x:token", "token"))).code).toBe(0);
  });

  it("goes on with the deploy when the client leaves, and ends git", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    world.platform.deploy = () => undefined;
    const push = await ana.startPush(ana.http());
    const [recorded] = await world.platform.recorded(1);
    push.kill();
    const running = async () =>
      (await run(["pgrep", "-f", `(receive-pack|proc-receive).*${world.directory}|${world.directory}/hooks`], { okCodes: [0, 1] })).stdout;
    await until(async () => (await running()) === "");
    if (recorded !== undefined) expect(await world.server.finishPush(recorded)).toEqual({ moved: true });
    expect(await world.ref(SHOP, "refs/heads/main")).toBe(commit);
  });

  it("says in plain text what is wrong", async () => {
    const ana = await world.person("Ana");
    await ana.commit("One");
    expect((await ana.push(ana.http("others/store/shop.git"))).stderr).toContain("remote: There is no others/store/shop that Ana can see");
    expect((await ana.push(ana.http(`${SHOP}.git`, "stale"))).stderr).toMatch(/Authentication failed/);
  });

  it.each([
    ["/git/acme/store/../shop.git/info/refs?service=git-upload-pack"],
    ["/git/acme/store/%2e%2e/info/refs?service=git-upload-pack"],
    ["/git/acme/store/..%2fshop.git/info/refs?service=git-upload-pack"],
    ["/git/acme/store/shop.git/objects/info/packs"],
    ["/git/acme/store/shop.git/HEAD"],
    ["/git/acme/store/shop.git/config"],
    ["/gitx/acme/store/shop.git/info/refs?service=git-upload-pack"],
    ["/"],
  ])("knows nothing at %s", async (path) => {
    await world.person("Ana");
    expect((await ask(path, { token: "token-of-Ana" })).status).toBe(404);
    expect(world.platform.apps.size).toBe(0);
  });

  it("asks for a token, refuses a wrong one, and never asks the platform with an empty one", async () => {
    const path = `/git/${SHOP}.git/info/refs?service=git-receive-pack`;
    const asked: string[] = [];
    world.platform.authenticateToken = async (secret) => {
      asked.push(secret);
      return undefined;
    };
    const none = await ask(path);
    expect(none.status).toBe(401);
    expect(none.headers.get("www-authenticate")).toBe('Basic realm="Plimsoll", charset="UTF-8"');
    expect((await ask(path, { token: "wrong:with:colons" })).status).toBe(401);
    expect((await ask(path, { headers: { authorization: `Basic ${Buffer.from(":").toString("base64")}` } })).status).toBe(401);
    expect((await ask(path, { headers: { authorization: "Bearer x" } })).status).toBe(401);
    expect(asked).toEqual(["wrong:with:colons"]);
  });

  it("refuses the dumb protocol, other services, methods and content types", async () => {
    await world.person("Ana");
    const token = "token-of-Ana";
    const base = `/git/${SHOP}.git`;
    expect((await ask(`${base}/info/refs`, { token })).status).toBe(403);
    expect((await ask(`${base}/info/refs?service=git-upload-archive`, { token })).status).toBe(403);
    expect((await ask(`${base}/git-receive-pack`, { token })).status).toBe(400);
    expect(
      (await ask(`${base}/git-receive-pack`, { token, method: "POST", body: "0000", headers: { "content-type": "text/plain" } })).status,
    ).toBe(400);
  });

  it("unpacks a compressed request, and ends at one that is broken or no protocol", async () => {
    const ana = await world.person("Ana");
    const commit = await ana.commit("One");
    await ana.push(ana.http());
    const url = `/git/${SHOP}.git/git-upload-pack`;
    const post = (body: Uint8Array, headers: Record<string, string>) =>
      ask(url, {
        token: "token-of-Ana",
        method: "POST",
        body: new Uint8Array(body),
        headers: { "content-type": "application/x-git-upload-pack-request", "git-protocol": "version=2", ...headers },
      });
    const ls = "0014command=ls-refs\n0000";
    const answer = await post(gzipSync(ls), { "content-encoding": "gzip" });
    expect(await answer.text()).toContain(commit);
    expect(gunzipSync(gzipSync(ls)).toString()).toBe(ls);
    expect(await (await post(Buffer.from("not gzip"), { "content-encoding": "gzip" })).text()).toBe("");
    expect(await (await post(Buffer.from("zzzz"), {})).text()).not.toContain(commit);
  });

  it("keeps the number of connections of one person in bounds", async () => {
    const ana = await world.person("Ana");
    await ana.commit("Hers, not pushed");
    // Another's push: of one's own, git may still be ending when the client has its answer, and it counts until then.
    const ben = await world.person("Ben");
    await ben.commit("One");
    await ben.push(ben.http());
    const post = () =>
      ask(`/git/${SHOP}.git/git-upload-pack`, {
        token: "token-of-Ana",
        method: "POST",
        body: new ReadableStream({ pull: () => new Promise<void>(() => undefined) }),
        duplex: "half",
        headers: { "content-type": "application/x-git-upload-pack-request" },
      } as RequestInit);
    const answers = await Promise.all(Array.from({ length: 17 }, post));
    expect(answers.map((answer) => answer.status).sort()).toEqual([...Array(16).fill(200), 429]);
    await Promise.all(answers.map((answer) => answer.body?.cancel()));
    await until(async () => (await ana.git("ls-remote", ana.http())).code === 0);
  });
});
