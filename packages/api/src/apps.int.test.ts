import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, startFixture } from "./testing/fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.close());

describe("apps", () => {
  it("are made with defaults, charged, and shown", async () => {
    const team = await fixture.team("acme");
    await fixture.namespace(team, "store");
    const ana = await fixture.user({ roles: { [team.metadata.uid]: "owner" } });
    const app = await fixture.json("POST", "/api/v1/namespaces/acme/store/apps", { token: ana.token, body: { name: "shop" }, status: 201 });
    expect(app.metadata.name).toBe("shop");
    const namespace = await fixture.json("GET", "/api/v1/namespaces/acme/store", { token: ana.token });
    expect(namespace.status).toMatchObject({ used: { instances: 1, cpuMillis: 250 } });
  });
});
