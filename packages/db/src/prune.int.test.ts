import { randomBytes } from "node:crypto";
import { RETENTION } from "@plimsoll/config";
import { type Resource, ZERO_QUOTA } from "@plimsoll/core";
import { createTestDatabase, type TestDatabase } from "@plimsoll/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBuild, type Database, openDatabase, PLATFORM, type Retention } from "./index.ts";
import { sql } from "./testing.ts";

const QUOTA = { cpuMillis: 1_000, memoryBytes: 2 ** 30, instances: 10, builds: 1 };
const LIMITS = { cpuMillis: 1_000, memoryBytes: 2 ** 30, pids: 100, timeoutMs: 60_000, logBytes: 1_000_000 };
const KEEP: Retention = RETENTION;

let test: TestDatabase;
let db: Database;
let namespace: Resource<"Namespace">;
let app: Resource<"App">;

beforeAll(async () => {
  test = await createTestDatabase();
  db = openDatabase(test.url, Buffer.alloc(32, 7));
  ({ namespace, app } = await db.write({ scope: PLATFORM }, async (tx) => {
    const team = await tx.objects.create({
      kind: "Team",
      name: "acme",
      spec: { displayName: "Acme", quota: QUOTA },
      status: { used: ZERO_QUOTA, given: ZERO_QUOTA },
    });
    const namespace = await tx.objects.create({
      kind: "Namespace",
      name: "prod",
      team,
      spec: { displayName: "Prod", quota: QUOTA, build: LIMITS },
      status: { vni: 1, uidBase: 200_000, used: ZERO_QUOTA },
    });
    await tx.secrets.createDataKey(namespace.metadata.uid);
    const app = await tx.objects.create({
      kind: "App",
      name: "shop",
      namespace,
      spec: { source: { kind: "git" }, processes: {}, env: {}, secrets: {} },
      status: { observedGeneration: 0, phase: "empty", urls: [], processes: {} },
    });
    return { namespace, app };
  }));
});
afterAll(async () => {
  await db.close();
  await test.drop();
});

const rows = async <T = { n: number }>(text: string) => (await sql(test.url, text)) as T[];
const count = async (from: string) => Number((await rows(`SELECT count(*)::int AS n FROM ${from}`))[0]?.n);

/** Makes `times` changes in the namespace's scope and answers its version. */
async function change(times: number): Promise<number> {
  for (let i = 0; i < times; i++)
    await db.write({ scope: PLATFORM }, async (tx) => {
      const now = await tx.objects.lock("App", app.metadata.uid);
      await tx.objects.updateSpec(now, { ...now.spec, env: { AT: String(Math.random()) } });
    });
  return db.objects(PLATFORM).version(namespace.metadata.uid);
}

const seen = async (after: number) => (await db.changes(namespace.metadata.uid, after, 1_000)).map(({ version }) => version);

describe("the change log", () => {
  it("loses what is too old, and a watcher from below its floor is told `gone`, one from the floor on misses nothing", async () => {
    const from = await change(4);
    await sql(test.url, "UPDATE changes SET created_at = now() - interval '25 hours'");
    const to = await change(3);
    await db.prune(KEEP);
    await expect(db.changes(namespace.metadata.uid, from - 1, 10)).rejects.toMatchObject({ code: "gone" });
    await expect(db.changes(namespace.metadata.uid, 0, 10)).rejects.toMatchObject({ code: "gone" });
    expect(await seen(from)).toEqual([from + 1, from + 2, from + 3]);
    expect(await seen(to)).toEqual([]);
  });

  it("is never holed: a change of a long transaction, which is older than one that was committed before it, goes with what is below", async () => {
    const to = await change(4);
    // Version to-1 began long ago and committed late; to-2 began after it and committed first.
    await sql(
      test.url,
      `UPDATE changes SET created_at = now() - interval '25 hours' WHERE version = ${to - 1} AND scope = '${namespace.metadata.uid}'`,
    );
    await db.prune(KEEP);
    await expect(db.changes(namespace.metadata.uid, to - 3, 10)).rejects.toMatchObject({ code: "gone" });
    expect(await seen(to - 1)).toEqual([to]);
  });

  it("of one scope has at most so many rows, whatever their age", async () => {
    const to = await change(12);
    await db.prune({ ...KEEP, changesPerScope: 5 });
    expect(await seen(to - 5)).toHaveLength(5);
    await expect(db.changes(namespace.metadata.uid, to - 6, 10)).rejects.toMatchObject({ code: "gone" });
  });

  it("that is gone as a whole tells a watcher who was away, and not one who is up to date", async () => {
    const to = await change(2);
    await db.prune({ ...KEEP, changesPerScope: 0 });
    await expect(db.changes(namespace.metadata.uid, to - 1, 10)).rejects.toMatchObject({ code: "gone" });
    expect(await seen(to)).toEqual([]);
    const next = await change(1);
    expect(await seen(to)).toEqual([next]);
  });
});

describe("leases", () => {
  it("that are long over are removed, and one of the same name never takes an epoch of before", async () => {
    const mine = await db.leases.acquire("control/app/x", "me", 10_000);
    const held = await db.leases.acquire("control/app/held", "me", 3_600_000);
    const fence = { key: "control/app/x", epoch: mine?.epoch ?? 0 };
    await sql(test.url, "UPDATE leases SET expires_at = now() - interval '2 days' WHERE key = 'control/app/x'");
    await db.prune(KEEP);
    expect(await rows("SELECT key FROM leases")).toEqual([{ key: "control/app/held" }]);
    expect(await db.leases.renew(mine as never, 1_000)).toBe(false);
    const stale = () => db.write({ scope: PLATFORM, fence }, async (tx) => tx.wake("app", "stale"));
    await expect(stale()).rejects.toMatchObject({ code: "stale_lease" });
    const theirs = await db.leases.acquire("control/app/x", "you", 10_000);
    expect(theirs?.epoch).toBeGreaterThan(mine?.epoch ?? 0);
    await expect(stale()).rejects.toMatchObject({ code: "stale_lease" });
    expect(await db.leases.renew(held as never, 1_000)).toBe(true);
    // Negative control: had the row begun anew with the epoch of before, the write of its holder of then would go through.
    await sql(test.url, `UPDATE leases SET epoch = ${fence.epoch} WHERE key = 'control/app/x'`);
    await stale();
  });

  it("never share an epoch, also when many take and lose them at once", async () => {
    const epochs = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const lease = await db.leases.acquire(`many/${i % 6}`, `holder-${i}`, 0);
        return lease?.epoch;
      }),
    );
    const given = epochs.filter((epoch) => epoch !== undefined);
    expect(given.length).toBeGreaterThan(6);
    expect(new Set(given).size).toBe(given.length);
  });

  it("of a build under way stays, however long its builder is silent", async () => {
    await sql(
      test.url,
      `INSERT INTO objects (uid, kind, scope_uid, name, phase, spec, status) VALUES ('bld_1', 'Build', 'ns', 'b1', 'running', '{}', '{}')`,
    );
    for (const uid of ["bld_1", "bld_2"]) await db.leases.acquire(`build/${uid}`, "host", 0);
    await sql(test.url, "UPDATE leases SET expires_at = now() - interval '2 days' WHERE key LIKE 'build/%'");
    await db.prune(KEEP);
    expect(await rows("SELECT key FROM leases WHERE key LIKE 'build/%'")).toEqual([{ key: "build/bld_1" }]);
  });
});

describe("pushes", () => {
  const push = (id: string, appUid: string) => ({
    id,
    appUid,
    commit: "c",
    oldCommit: "o",
    branch: "main",
    subject: "",
    author: "",
    pusher: "",
  });

  it("that are over go when they are old and not among an app's newest; open ones never", async () => {
    const { uid } = app.metadata;
    const ids = Array.from({ length: 8 }, (_, i) => `psh_${i}`);
    for (const id of ids) await db.pushes.record(push(id, uid));
    await db.pushes.record(push("psh_of_nobody", "app_gone"));
    for (const id of [...ids.slice(1), "psh_of_nobody"]) await db.pushes.finish(id, "live");
    const keep = { ...KEEP, pushesPerApp: 3 };
    await db.prune(keep);
    expect(await count("pushes")).toBe(9);
    await sql(test.url, "UPDATE pushes SET finished_at = now() - interval '31 days' WHERE state <> 'open'");
    await db.prune(keep);
    expect((await db.pushes.idsOf(uid)).toSorted()).toEqual(["psh_0", "psh_5", "psh_6", "psh_7"]);
    expect(await db.pushes.find("psh_of_nobody")).toBeUndefined();
  });
});

describe("secrets", () => {
  it("lose values that were replaced and that no release takes; numbers go on", async () => {
    const put = (name: string, value: string) =>
      db.write({ scope: PLATFORM }, (tx) => tx.secrets.put(namespace.metadata.uid, app.metadata.uid, name, value));
    for (const value of ["1", "2", "3", "4"]) await put("KEY", value);
    await put("OTHER", "only");
    await sql(
      test.url,
      `INSERT INTO objects (uid, kind, scope_uid, owner_uid, name, spec, status)
       VALUES ('rel_1', 'Release', 'ns', '${app.metadata.uid}', 'r1', '{"secrets": {"KEY": 2}}', '{}')`,
    );
    await db.prune(KEEP);
    expect(await count("secrets")).toBe(5);
    await sql(test.url, "UPDATE secrets SET created_at = now() - interval '2 days'");
    await db.prune(KEEP);
    expect(await rows("SELECT name, version FROM secrets ORDER BY name, version")).toEqual([
      { name: "KEY", version: 2 },
      { name: "KEY", version: 4 },
      { name: "OTHER", version: 1 },
    ]);
    expect(await put("KEY", "5")).toBe(5);
  });
});

describe("what else would only grow", () => {
  it("is bounded: wake-ups that nobody took, expired tokens, old audit rows, removed hosts, numbers of apps that are gone", async () => {
    await db.write({ scope: PLATFORM }, async (tx) => {
      tx.wake("app", "old");
      tx.audit({ actor: "x", action: "old" });
      await tx.identities.createToken({ kind: "session", name: "old", ttlMs: 1 });
      await tx.identities.createToken({ kind: "api", name: "endless" });
      await tx.hosts.admit("host_1", ["run"]);
      await tx.hosts.remove("host_1");
      await tx.hosts.admit("host_2", ["run"]);
      await tx.platform.nextNumber("build/app_gone");
      await tx.platform.nextNumber(`build/${app.metadata.uid}`);
      await tx.platform.nextNumber("vni");
    });
    await sql(test.url, "UPDATE outbox SET created_at = now() - interval '11 minutes'");
    await sql(test.url, "UPDATE audit SET at = now() - interval '401 days'");
    await sql(test.url, "UPDATE tokens SET expires_at = now() - interval '2 days' WHERE expires_at IS NOT NULL");
    await sql(test.url, "UPDATE host_admissions SET removed_at = now() - interval '31 days' WHERE removed_at IS NOT NULL");
    await db.write({ scope: PLATFORM }, async (tx) => {
      tx.wake("app", "young");
      tx.audit({ actor: "x", action: "young" });
    });
    await Promise.all([db.prune(KEEP), db.prune(KEEP)]);
    expect(await rows("SELECT key FROM outbox")).toEqual([{ key: "young" }]);
    expect(await rows("SELECT action FROM audit")).toEqual([{ action: "young" }]);
    expect(await rows("SELECT name FROM tokens")).toEqual([{ name: "endless" }]);
    expect(await rows("SELECT host_uid FROM host_admissions")).toEqual([{ host_uid: "host_2" }]);
    expect(
      (await rows<{ scope: string }>("SELECT scope FROM counters WHERE scope LIKE 'series/%'")).map(({ scope }) => scope).sort(),
    ).toEqual([`series/build/${app.metadata.uid}`, "series/vni"]);
  });

  it("is bounded: a namespace's build logs, of which the oldest lose their output and nothing else", async () => {
    const random = (bytes: number) => randomBytes(bytes / 2).toString("hex");
    const builds: string[] = [];
    for (let at = 0; at < 4; at++)
      await db.write({ scope: PLATFORM }, async (tx) => {
        const source = { kind: "image" as const, reference: "x" };
        const build = await createBuild(tx, { namespace, app, source, requestedBy: "Ana" });
        // The first goes on building, whatever it prints.
        if (at > 0) await tx.objects.updateStatus(build, { ...build.status, phase: "failed" });
        const events = [
          { type: "plan" },
          ...[1, 2].map(() => ({ type: "step-log", text: random(50_000) })),
          { type: "failed", failure: { message: "why" } },
        ];
        await tx.platform.appendBuildLog(
          build.metadata.uid,
          events.map((event, seq) => ({ seq, event })),
        );
        builds.push(build.metadata.uid);
      });
    const types = async (at: number) =>
      (await db.platform.buildLog(builds[at] ?? "", -1)).map(({ event }) => (event as { type: string }).type);
    const whole = ["plan", "step-log", "step-log", "failed"];
    await db.prune(KEEP);
    expect(await Promise.all([0, 1, 2, 3].map(types))).toEqual([whole, whole, whole, whole]);
    await db.prune({ ...KEEP, buildLogBytesPerNamespace: 250_000 });
    expect(await Promise.all([0, 1, 2, 3].map(types))).toEqual([whole, ["plan", "notice", "failed"], whole, whole]);
    await db.prune({ ...KEEP, buildLogBytesPerNamespace: 1_000 });
    expect(await Promise.all([0, 1, 2, 3].map(types))).toEqual([whole, ...[1, 2, 3].map(() => ["plan", "notice", "failed"])]);
  });

  it("waits for nobody and holds nobody up: a wake-up that is being delivered is left alone", async () => {
    await db.write({ scope: PLATFORM }, async (tx) => tx.wake("app", "delivered"));
    await sql(test.url, "UPDATE outbox SET created_at = now() - interval '11 minutes'");
    const taken: string[] = [];
    await db.relayOutbox(10, async (wakes) => {
      await db.prune(KEEP);
      taken.push(...wakes.map(({ key }) => key));
    });
    expect(taken).toContain("delivered");
    expect(await count("outbox")).toBe(0);
  });
});

describe("controllers' questions", () => {
  it.each([
    ["pushes_open_idx", "SELECT * FROM pushes WHERE state = 'open' ORDER BY created_at"],
    ["pushes_open_idx", "SELECT * FROM pushes WHERE state = 'open' AND app_uid = 'a' ORDER BY created_at"],
    [
      "objects_draining_idx",
      "SELECT DISTINCT owner_uid FROM objects WHERE kind = 'Instance' AND spec ->> 'desired' = 'draining' AND owner_uid IS NOT NULL",
    ],
    ["objects_unreleased_idx", "SELECT uid FROM objects WHERE kind = 'Build' AND phase = 'succeeded' AND NOT status ? 'release'"],
  ])("are answered from %s, whose size is what is open and not what has been", async (index, query) => {
    // Nothing is much in a test: what a large table makes the planner choose is asked for.
    const url = `${test.url}${test.url.includes("?") ? "&" : "?"}options=${encodeURIComponent("-c enable_seqscan=off")}`;
    expect(JSON.stringify(await sql(url, `EXPLAIN ${query}`))).toContain(index);
  });
});
