import { createHmac } from "node:crypto";
import { AppError } from "@plimsoll/core";
import { PLATFORM } from "@plimsoll/db";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, startFixture, type TestUser } from "./testing/fixture.ts";

const APP = "/api/v1/namespaces/acme/store/apps/shop";
const URL = "https://git.example/acme/shop.git";
let fixture: Fixture;
let dev: TestUser;
let uid = "";

beforeAll(async () => {
  const remotes = {
    isBranchName: (name: string) => name !== "..",
    parseRemote: (url: string) => {
      if (url.startsWith("file:")) throw new AppError("invalid", "no");
      return { scheme: url.startsWith("ssh:") ? ("ssh" as const) : ("https" as const), host: "git.example", url };
    },
    guessProvider: () => "gitea" as const,
    newDeployKeyPair: (comment: string) => ({ privateKey: "the private half", publicKey: `ssh-ed25519 AAAA ${comment}` }),
  };
  fixture = await startFixture({ remotes });
  const team = await fixture.team("acme");
  await fixture.namespace(team, "store");
  dev = await fixture.user({ roles: { [team.metadata.uid]: "developer" } });
  const made = await fixture.json("POST", "/api/v1/namespaces/acme/store/apps", { token: dev.token, body: { name: "shop" }, status: 201 });
  uid = made.metadata.uid;
});
afterAll(() => fixture.close());

interface Made {
  readonly webhook: string;
  readonly secret?: string;
  readonly publicKey?: string;
}
const connect = (body: object) =>
  fixture.json<Made>("PUT", `${APP}/connection`, { token: dev.token, body: { url: URL, ...body }, status: 200 });
const read = () => fixture.json<Made>("GET", `${APP}/connection`, { token: dev.token });
const call = (webhook: string, headers: Record<string, string>, body: object) =>
  fixture.request("POST", new globalThis.URL(webhook).pathname, { headers, body });
const wantedAt = async () => (await fixture.db.connections.find(uid))?.wantedAt;

describe("a connection to a repository elsewhere", () => {
  it("shows its webhook's secret once, and its credential never", async () => {
    const made = await connect({ auth: { kind: "token", token: "t0ken-of-ana" } });
    expect(made.secret).toMatch(/^[\w-]{20,}$/);
    const shown = JSON.stringify(await read());
    expect(shown).not.toContain(made.secret);
    expect(shown).not.toContain("t0ken-of-ana");
    const { namespaceUid = "" } = (await fixture.db.objects(PLATFORM).get("App", uid)).metadata;
    expect(await fixture.db.secrets.openOnly(namespaceUid, uid, "connection/credential")).toContain("t0ken-of-ana");
    expect(JSON.stringify(await fixture.db.platform.auditTrail({}))).not.toContain("t0ken-of-ana");
    expect(fixture.logs.join("")).not.toContain("t0ken-of-ana");
  });

  it("has a key of its own over SSH, and is refused with what cannot be", async () => {
    const made = await connect({ url: "ssh://git@git.example/shop.git", auth: { kind: "key" } });
    expect(made.publicKey).toBe("ssh-ed25519 AAAA plimsoll-shop");
    expect(JSON.stringify(await read())).not.toContain("the private half");
    for (const body of [
      { url: "file:///etc/passwd" },
      { url: "ssh://git@git.example/shop.git", auth: { kind: "token", token: "t" } },
      { url: "ssh://git@git.example/shop.git" },
      { auth: { kind: "key" } },
      { auth: { kind: "token", token: "two words" } },
      { branch: ".." },
    ])
      expect((await fixture.request("PUT", `${APP}/connection`, { token: dev.token, body: { url: URL, ...body } })).status).toBe(422);
  });

  it("is looked at when its webhook is called with its secret, for its branch, and by nobody else's word", async () => {
    const { webhook, secret = "" } = await connect({});
    const first = await wantedAt();
    const push = { ref: "refs/heads/main" };
    const signed = (body: object, key = secret) => ({
      "x-github-event": "push",
      "x-hub-signature-256": `sha256=${createHmac("sha256", key).update(JSON.stringify(body)).digest("hex")}`,
    });
    expect((await call(webhook, signed(push, "another"), push)).status).toBe(401);
    expect((await call(webhook, {}, push)).status).toBe(401);
    expect((await call(`${webhook}x`, signed(push), push)).status).toBe(404);
    const other = { ref: "refs/heads/other" };
    expect(await (await call(webhook, signed(other), other)).json()).toEqual({
      accepted: false,
      reason: "only refs/heads/main is deployed",
    });
    expect(await wantedAt()).toEqual(first);
    const taken = await call(webhook, signed(push), push);
    expect([taken.status, await taken.json()]).toEqual([202, { accepted: true }]);
    expect((await wantedAt())?.getTime()).toBeGreaterThan(first?.getTime() ?? 0);
    const plain = await fixture.request("POST", `${new globalThis.URL(webhook).pathname}?token=${secret}`, { body: {} });
    expect(plain.status).toBe(202);
  });

  it("answers its old webhook no more when it is made anew, nor any when it is ended", async () => {
    const old = await connect({});
    const now = await connect({});
    const bearer = (secret = "") => ({ authorization: `Bearer ${secret}` });
    expect((await call(old.webhook, bearer(old.secret), {})).status).toBe(404);
    expect((await call(now.webhook, bearer(old.secret), {})).status).toBe(401);
    expect((await call(now.webhook, bearer(now.secret), {})).status).toBe(202);
    await fixture.json("DELETE", `${APP}/connection`, { token: dev.token, status: 204 });
    expect((await call(now.webhook, bearer(now.secret), {})).status).toBe(404);
    expect((await fixture.request("GET", `${APP}/connection`, { token: dev.token })).status).toBe(404);
    expect(await fixture.db.secrets.openOnly("", uid, "connection/hook")).toBeUndefined();
  });
});
