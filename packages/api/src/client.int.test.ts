import { readFile } from "node:fs/promises";
import { createApiClient } from "@plimsoll/contracts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientTypes } from "./client-types.ts";
import { PUBLIC_ROUTES } from "./routes/index.ts";
import { type Fixture, ORIGIN, startFixture } from "./testing/fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.close());

describe("the typed client", () => {
  it("has the types of the routes as they are (else: npm run generate:client -w packages/api)", async () => {
    const generated = await readFile(new URL("../../contracts/src/generated/routes.ts", import.meta.url), "utf8");
    expect(generated).toBe(clientTypes(PUBLIC_ROUTES));
  });

  it("sends what is typed and answers what is declared", async () => {
    const team = await fixture.team("acme");
    await fixture.namespace(team, "store");
    const { token } = await fixture.user({ roles: { [team.metadata.uid]: "owner" } });
    const call = createApiClient({ origin: ORIGIN, token, fetch: fixture.api.fetch });
    const params = { team: "acme", namespace: "store" };
    const app = await call("POST /api/v1/namespaces/:team/:namespace/apps", { params, body: { name: "shop", labels: { tier: "front" } } });
    expect(app.spec.processes.web?.replicas).toBe(1);
    const page = await call("GET /api/v1/namespaces/:team/:namespace/apps", { params, query: { labels: "tier=front", limit: 1 } });
    expect(page.items[0]?.metadata).toEqual(app.metadata);
    const secret = { ...params, app: "shop", name: "KEY" };
    expect(
      await call("PUT /api/v1/namespaces/:team/:namespace/apps/:app/secrets/:name", { params: secret, body: { value: "x" } }),
    ).toBeNull();
    const watch = await call("GET /api/v1/watch", { query: { scope: [`${team.metadata.uid}:0`] } });
    expect(watch.headers.get("content-type")).toContain("text/event-stream");
    await watch.body?.cancel();
  });

  it("throws the server's own code and sentence", async () => {
    const call = createApiClient({ origin: ORIGIN, fetch: fixture.api.fetch });
    await expect(call("GET /api/v1/me", {})).rejects.toMatchObject({ code: "unauthenticated", message: expect.stringContaining("Log in") });
    const silent = createApiClient({ origin: "http://127.0.0.1:9" });
    await expect(silent("GET /api/v1/me", {})).rejects.toMatchObject({ code: "unavailable" });
  });
});
