import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, startFixture, type TestUser } from "./testing/fixture.ts";

const NS = "/api/v1/namespaces/acme/store";
const KNOWN = "a".repeat(40);
let fixture: Fixture;
let dev: TestUser;

beforeAll(async () => {
  const git = {
    fetch: () => Promise.reject(new Error("nobody pushes here")),
    readCommit: async (_: string, commit: string) => (commit === KNOWN ? { subject: "Try it", author: "Ana" } : undefined),
    commitFiles: () => ({ read: async () => undefined }),
    commitOfBranch: async (_: string, branch: string) => (branch === "feature/x" ? KNOWN : undefined),
    listRefs: async () => ({
      refs: [{ kind: "branch" as const, name: "feature/x", commit: KNOWN, subject: "Try it", author: "Ana", deployed: false }],
      more: false,
    }),
  };
  fixture = await startFixture({ git });
  const team = await fixture.team("acme");
  await fixture.namespace(team, "store");
  dev = await fixture.user({ roles: { [team.metadata.uid]: "developer" } });
  await fixture.json("POST", `${NS}/apps`, {
    token: dev.token,
    body: { name: "shop", spec: { source: { kind: "git", dockerfile: "ops/Dockerfile" } } },
    status: 201,
  });
});
afterAll(() => fixture.close());

const ask = (body: object, app = "shop") => fixture.request("POST", `${NS}/apps/${app}/builds`, { token: dev.token, body });

describe("a stored branch", () => {
  it("is listed, and released where it is asked for, as a push of it would be", async () => {
    const { items } = await fixture.json<{ items: object[] }>("GET", `${NS}/apps/shop/branches`, { token: dev.token });
    expect(items).toEqual([expect.objectContaining({ name: "feature/x", deployed: false, live: false })]);
    const path = `${NS}/apps/shop/deploy-branch`;
    const build = await fixture.json("POST", path, { token: dev.token, body: { branch: "feature/x" }, status: 201 });
    expect(build.spec).toMatchObject({ source: { commit: KNOWN, ref: "refs/heads/feature/x", dockerfile: "ops/Dockerfile" } });
    expect(build.spec.deploy).toBeUndefined();
    const missing = await fixture.request("POST", path, { token: dev.token, body: { branch: "feature/y" } });
    expect(missing.status).toBe(412);
    expect(((await missing.json()) as { detail: string }).detail).toContain("App shop has no branch feature/y; `plim branches shop`");
  });
});

describe("a build for its image alone", () => {
  it("is of a commit that the repository has, by the app's recipe where none is given", async () => {
    const build = (await (await ask({ commit: KNOWN })).json()) as { spec: object; status: object };
    expect(build.spec).toMatchObject({
      number: 2,
      deploy: false,
      source: { commit: KNOWN, subject: "Try it", dockerfile: "ops/Dockerfile" },
    });
    expect(build.status).toMatchObject({ phase: "pending" });
    const other = (await (await ask({ commit: KNOWN, dockerfile: "Dockerfile.dev", target: "test" })).json()) as { spec: object };
    expect(other.spec).toMatchObject({ number: 3, source: { dockerfile: "Dockerfile.dev", target: "test" } });
    const anew = (await (await ask({ commit: KNOWN, args: { A: "1" }, noCache: true })).json()) as { spec: object };
    expect(anew.spec).toMatchObject({ number: 4, source: { args: { A: "1" }, noCache: true } });
  });

  it("is refused with what to do where the commit is not there, or nothing can be built", async () => {
    const missing = await ask({ commit: "b".repeat(40) });
    expect(missing.status).toBe(412);
    expect(((await missing.json()) as { detail: string }).detail).toContain("push it to refs/for-build/head");
    expect((await ask({ commit: "main" })).status).toBe(422);
    expect((await ask({ commit: KNOWN, args: { "a b": "1" } })).status).toBe(422);
    expect((await ask({ commit: KNOWN }, "nobody")).status).toBe(404);
    await fixture.json("POST", `${NS}/apps`, {
      token: dev.token,
      body: { name: "nginx", spec: { source: { kind: "image", reference: "nginx:1" } } },
      status: 201,
    });
    expect((await ask({ commit: KNOWN }, "nginx")).status).toBe(412);
  });
});
