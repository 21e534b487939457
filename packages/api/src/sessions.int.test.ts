import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hashPassword } from "./auth/passwords.ts";
import { type Fixture, ORIGIN, startFixture } from "./testing/fixture.ts";

const PASSWORD = "correct horse battery";
let fixture: Fixture;
let now = Date.now();

beforeAll(async () => {
  fixture = await startFixture({}, { now: () => new Date(now) });
});
afterAll(() => fixture.close());

function cookieOf(response: Response): string {
  return response.headers.get("set-cookie")?.split(";")[0] ?? "";
}

async function makeUser(email: string): Promise<void> {
  const passwordHash = await hashPassword(PASSWORD);
  await fixture.commit(({ tx }) => tx.identities.createUser({ name: "Li", email, passwordHash, operator: false }));
}

function login(email: string, password: string, address = "192.0.2.1"): Promise<Response> {
  return fixture.request("POST", "/api/v1/login", { body: { email, password }, headers: { "x-forwarded-for": `203.0.113.9, ${address}` } });
}

describe("the claim link", () => {
  it("makes exactly one of many the first administrator, whichever valid code they hold", async () => {
    const demo = await fixture.team("demo");
    const codes = ["7Q2M-XK4D-93VF", "AAAA-BBBB-CCCC"];
    for (const secret of codes) await fixture.db.identities.createToken({ kind: "claim", secret, ttlMs: 60_000 });
    expect((await fixture.request("GET", "/api/v1/claim/7q2m-xk4d-93vf")).status).toBe(200);
    const claims = await Promise.all(
      Array.from({ length: 12 }, (_, at) =>
        fixture.request("POST", "/api/v1/claim", {
          body: { code: codes[at % 2], name: `Ana ${at}`, email: `ana${at}@plimsoll.example`, password: PASSWORD },
        }),
      ),
    );
    expect(claims.map(({ status }) => status).sort()).toEqual([201, ...Array(11).fill(410)]);
    const won = claims.find(({ status }) => status === 201) as Response;
    const me = (await won.json()) as { operator: boolean };
    expect(me).toMatchObject({ operator: true, teams: [{ name: "demo", role: "owner" }] });
    expect(await fixture.db.identities.countOperators()).toBe(1);
    expect(await fixture.db.identities.ownersOf(demo.metadata.uid)).toHaveLength(1);
    const session = await fixture.request("GET", "/api/v1/me", { headers: { cookie: cookieOf(won) } });
    expect(session.status).toBe(200);
  });

  it("is gone for everybody after", async () => {
    expect((await fixture.request("GET", "/api/v1/claim/AAAA-BBBB-CCCC")).status).toBe(410);
  });
});

describe("login", () => {
  it("gives a session cookie that scripts cannot read, and ends with logout", async () => {
    await makeUser("li@plimsoll.example");
    const response = await login("LI@plimsoll.example", PASSWORD);
    expect(response.status).toBe(200);
    expect(response.headers.get("set-cookie")).toMatch(/^plim_session=plim_session_\S+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=2592000$/);
    const cookie = cookieOf(response);
    const logout = await fixture.request("POST", "/api/v1/logout", { headers: { cookie, origin: ORIGIN } });
    expect(logout.status).toBe(204);
    expect(logout.headers.get("set-cookie")).toContain("Max-Age=0");
    expect((await fixture.request("GET", "/api/v1/me", { headers: { cookie } })).status).toBe(401);
  });

  it("refuses a wrong password and an unknown address with the same words", async () => {
    await makeUser("mo@plimsoll.example");
    const [wrong, unknown] = [await login("mo@plimsoll.example", "wrong"), await login("nobody@plimsoll.example", "wrong")];
    const [a, b] = [(await wrong.json()) as { detail: string }, (await unknown.json()) as { detail: string }];
    expect([wrong.status, a.detail]).toEqual([unknown.status, b.detail]);
  });

  it("does the same work for an unknown address as for a known one", async () => {
    await makeUser("kim@plimsoll.example");
    const timeOf = async (email: string, address: string) => {
      const times: number[] = [];
      for (let i = 0; i < 6; i++) {
        const begun = performance.now();
        await login(email, "wrong", address);
        times.push(performance.now() - begun);
      }
      return Math.min(...times);
    };
    await timeOf("warm@plimsoll.example", "192.0.2.40");
    const [known, unknown] = [await timeOf("kim@plimsoll.example", "192.0.2.41"), await timeOf("noone@plimsoll.example", "192.0.2.42")];
    // Without the work, an unknown address answers in a tenth of the time.
    expect(unknown).toBeGreaterThan(known / 3);
  });

  it("slows down whoever guesses, and does not lock the owner out", async () => {
    await makeUser("pat@plimsoll.example");
    const guesses: number[] = [];
    for (let i = 0; i < 10; i++) guesses.push((await login("pat@plimsoll.example", `guess ${i}`, "198.51.100.66")).status);
    expect(guesses).toEqual([...Array(8).fill(401), 429, 429]);
    const refused = await login("pat@plimsoll.example", PASSWORD, "198.51.100.66");
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await login("pat@plimsoll.example", PASSWORD, "192.0.2.7")).status).toBe(200);
    now += 31_000;
    expect((await login("pat@plimsoll.example", PASSWORD, "198.51.100.66")).status).toBe(200);
  });
});

describe("a session", () => {
  it("may change things from the portal's own pages only", async () => {
    await makeUser("sam@plimsoll.example");
    const cookie = cookieOf(await login("sam@plimsoll.example", PASSWORD));
    const post = (headers: Record<string, string>) =>
      fixture.request("POST", "/api/v1/tokens", { body: { name: "t" }, headers: { cookie, ...headers } });
    expect((await post({ origin: ORIGIN })).status).toBe(201);
    expect((await post({ origin: "http://127.0.0.1:8080", host: "127.0.0.1:8080" })).status).toBe(201);
    expect((await post({})).status).toBe(403);
    expect((await post({ origin: "null" })).status).toBe(403);
    expect((await post({ origin: "http://hello-demo.localhost:8080" })).status).toBe(403);
    expect((await post({ origin: "https://localhost:8080" })).status).toBe(403);
    expect((await fixture.request("GET", "/api/v1/tokens", { headers: { cookie, origin: "http://evil.example" } })).status).toBe(200);
  });

  it("is not begun by a foreign page", async () => {
    const response = await fixture.request("POST", "/api/v1/login", {
      body: { email: "sam@plimsoll.example", password: PASSWORD },
      headers: { origin: "http://evil.example" },
    });
    expect(response.status).toBe(403);
  });

  it("slides on while it is used", async () => {
    await makeUser("jo@plimsoll.example");
    const cookie = cookieOf(await login("jo@plimsoll.example", PASSWORD));
    const first = await fixture.request("GET", "/api/v1/me", { headers: { cookie } });
    expect(first.headers.get("set-cookie")).toBeNull();
    now += 2 * 3_600_000;
    const later = await fixture.request("GET", "/api/v1/me", { headers: { cookie } });
    expect(cookieOf(later)).toBe(cookie);
  });

  it("is no bearer token, and an API token is no cookie", async () => {
    await makeUser("max@plimsoll.example");
    const cookie = cookieOf(await login("max@plimsoll.example", PASSWORD));
    const secret = cookie.slice(cookie.indexOf("=") + 1);
    const { token } = await fixture.user();
    expect((await fixture.request("GET", "/api/v1/me", { token: secret })).status).toBe(401);
    expect((await fixture.request("GET", "/api/v1/me", { headers: { cookie: `plim_session=${token}` } })).status).toBe(401);
  });
});

describe("off loopback", () => {
  it("the cookie is bound to its host and to TLS", async () => {
    const { sessionCookie, sessionCookieName } = await import("./auth/sessions.ts");
    const settings = { platformOrigin: "https://plimsoll.example" };
    expect(sessionCookieName(settings)).toBe("__Host-plim");
    expect(sessionCookie(settings, "x")).toBe("__Host-plim=x; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000; Secure");
  });
});

describe("an account", () => {
  it("keeps SSH keys by fingerprint and hands API tokens out once", async () => {
    const { token } = await fixture.user();
    const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUPTTDNVWGCgVyXGrGhh8UpNSSIDHzJqZMHGq9WcgaY ana@laptop";
    const added = await fixture.json<{ id: string; fingerprint: string }>("POST", "/api/v1/ssh-keys", {
      token,
      body: { name: "laptop", publicKey },
      status: 201,
    });
    expect(added.fingerprint).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
    expect((await fixture.request("POST", "/api/v1/ssh-keys", { token, body: { name: "again", publicKey } })).status).toBe(409);
    expect((await fixture.request("DELETE", `/api/v1/ssh-keys/${added.id}`, { token })).status).toBe(204);

    const made = await fixture.json<{ id: string; secret: string }>("POST", "/api/v1/tokens", { token, body: { name: "ci" }, status: 201 });
    expect((await fixture.request("GET", "/api/v1/me", { token: made.secret })).status).toBe(200);
    expect(JSON.stringify(await fixture.json("GET", "/api/v1/tokens", { token }))).not.toContain(made.secret);
    expect((await fixture.request("DELETE", `/api/v1/tokens/${made.id}`, { token })).status).toBe(204);
    expect((await fixture.request("GET", "/api/v1/me", { token: made.secret })).status).toBe(401);
  });

  it("of somebody else is out of reach", async () => {
    const [mine, theirs] = [await fixture.user(), await fixture.user()];
    const made = await fixture.json<{ id: string }>("POST", "/api/v1/tokens", { token: mine.token, body: { name: "ci" } });
    expect((await fixture.request("DELETE", `/api/v1/tokens/${made.id}`, { token: theirs.token })).status).toBe(404);
  });
});
