import { type Resource, ZERO_QUOTA } from "@plimsoll/core";
import { createTestDatabase, type TestDatabase } from "@plimsoll/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Database, openDatabase, PLATFORM, type TenantScope, type Tx } from "./index.ts";

const KEY = Buffer.alloc(32, 7);
const QUOTA = { cpuMillis: 1_000, memoryBytes: 2 ** 30, instances: 10, builds: 1 };
const LIMITS = { cpuMillis: 1_000, memoryBytes: 2 ** 30, pids: 100, timeoutMs: 60_000, logBytes: 1_000_000 };

let test: TestDatabase;
let db: Database;

beforeAll(async () => {
  test = await createTestDatabase();
  db = openDatabase(test.url, KEY);
});
afterAll(async () => {
  await db.close();
  await test.drop();
});

function createTeam(tx: Tx, name: string): Promise<Resource<"Team">> {
  return tx.objects.create({
    kind: "Team",
    name,
    spec: { displayName: name, quota: QUOTA },
    status: { used: ZERO_QUOTA, given: ZERO_QUOTA },
  });
}

async function createNamespace(name: string): Promise<{ team: Resource<"Team">; namespace: Resource<"Namespace"> }> {
  return db.write({ scope: PLATFORM }, async (tx) => {
    const team = await createTeam(tx, name);
    const namespace = await tx.objects.create({
      kind: "Namespace",
      name: "prod",
      team,
      spec: { displayName: name, quota: QUOTA, build: LIMITS },
      status: { vni: await tx.platform.nextNumber("vni"), uidBase: 200_000, used: ZERO_QUOTA },
    });
    await tx.secrets.createDataKey(namespace.metadata.uid);
    return { team, namespace };
  });
}

describe("objects", () => {
  it("gives every object the names of its team and namespace, and a version in its scope", async () => {
    const { namespace } = await createNamespace("acme");
    const read = await db.objects(PLATFORM).get("Namespace", namespace.metadata.uid);
    expect(read.metadata).toMatchObject({ team: "acme", namespace: "prod", generation: 1 });
    expect(read.metadata.version).toBe(1);
  });

  it("refuses a taken name and leaves the transaction usable", async () => {
    await db.write({ scope: PLATFORM }, (tx) => createTeam(tx, "twice"));
    const answer = await db.write({ scope: PLATFORM }, async (tx) => {
      await expect(createTeam(tx, "twice")).rejects.toMatchObject({ code: "conflict" });
      return createTeam(tx, "twice-2");
    });
    expect(answer.metadata.name).toBe("twice-2");
  });

  it("shows a team's members nothing of another team, and says not_found", async () => {
    const mine = await createNamespace("mine");
    const theirs = await createNamespace("theirs");
    const reader = db.objects({ kind: "teams", teamUids: [mine.team.metadata.uid] });
    expect((await reader.list("Namespace")).map((object) => object.metadata.uid)).toEqual([mine.namespace.metadata.uid]);
    await expect(reader.get("Namespace", theirs.namespace.metadata.uid)).rejects.toMatchObject({ code: "not_found" });
    expect(await db.objects({ kind: "teams", teamUids: [] }).list("Team")).toEqual([]);
  });

  it("writes only what the caller has seen", async () => {
    const team = await db.write({ scope: PLATFORM }, (tx) => createTeam(tx, "seen"));
    await db.write({ scope: PLATFORM }, (tx) => tx.objects.updateSpec(team, { ...team.spec, displayName: "first" }));
    await expect(
      db.write({ scope: PLATFORM }, (tx) => tx.objects.updateSpec(team, { ...team.spec, displayName: "second" })),
    ).rejects.toMatchObject({ code: "conflict" });
  });

  it("keeps what a finalizer holds until it is taken off", async () => {
    const uid = await db.write({ scope: PLATFORM }, async (tx) => {
      const made = await tx.objects.create({
        kind: "Team",
        name: "held",
        finalizers: ["cleanup"],
        spec: { displayName: "", quota: QUOTA },
        status: { used: ZERO_QUOTA, given: ZERO_QUOTA },
      });
      return made.metadata.uid;
    });
    await db.write({ scope: PLATFORM }, async (tx) => tx.objects.delete(await tx.objects.lock("Team", uid)));
    const held = await db.objects(PLATFORM).get("Team", uid);
    expect(held.metadata.deletedAt).toBeDefined();
    await db.write({ scope: PLATFORM }, async (tx) => tx.objects.removeFinalizer(await tx.objects.lock("Team", uid), "cleanup"));
    expect(await db.objects(PLATFORM).find("Team", uid)).toBeUndefined();
  });
});

describe("watch", () => {
  it("misses nothing when a later version waits for an earlier transaction that is still open", async () => {
    const from = await db.objects(PLATFORM).version("platform");
    const gate = Promise.withResolvers<void>();
    const opened = Promise.withResolvers<void>();
    // The first transaction has made its change but not committed when the second one starts.
    const first = db.write({ scope: PLATFORM }, async (tx) => {
      const made = await createTeam(tx, "slow");
      opened.resolve();
      await gate.promise;
      return made;
    });
    await opened.promise;
    const second = await db.write({ scope: PLATFORM }, (tx) => createTeam(tx, "quick"));
    const seen = (await db.changes("platform", from, 100)).map((change) => change.version);
    expect(seen).toEqual([second.metadata.version]);
    gate.resolve();
    const late = await first;
    expect(late.metadata.version).toBeGreaterThan(second.metadata.version);
    expect((await db.changes("platform", second.metadata.version, 100)).map((change) => change.version)).toEqual([late.metadata.version]);
  });

  it("gives versions without gap or twin to concurrent writers, and every watcher sees each", async () => {
    const from = await db.objects(PLATFORM).version("platform");
    await Promise.all(Array.from({ length: 40 }, (_, i) => db.write({ scope: PLATFORM }, (tx) => createTeam(tx, `many-${i}`))));
    const versions = (await db.changes("platform", from, 1_000)).map((change) => change.version);
    expect(versions).toEqual(Array.from({ length: 40 }, (_, i) => from + i + 1));
  });

  it("answers gone when the log does not reach back, and for a version that never was", async () => {
    await expect(db.changes("platform", 1_000_000, 10)).rejects.toMatchObject({ code: "gone" });
    await expect(db.changes("platform", -5, 10)).rejects.toMatchObject({ code: "gone" });
  });
});

describe("leases", () => {
  it("exclude, expire with a new epoch, and fence the writes of the holder before", async () => {
    const mine = await db.leases.acquire("job", "me", 60);
    expect(mine).toBeDefined();
    expect(await db.leases.acquire("job", "you", 60)).toBeUndefined();
    await new Promise((resolve) => setTimeout(resolve, 80));
    const yours = await db.leases.acquire("job", "you", 10_000);
    expect(yours?.epoch).toBeGreaterThan(mine?.epoch ?? 0);
    const fenced = db.write({ scope: PLATFORM, fence: { key: "job", epoch: mine?.epoch ?? 0 } }, (tx) => createTeam(tx, "fenced"));
    await expect(fenced).rejects.toMatchObject({ code: "stale_lease" });
    expect(await db.objects(PLATFORM).findByName("Team", "platform", "fenced")).toBeUndefined();
    // Negative control: without the fence the same write of the stale holder goes through.
    await db.write({ scope: PLATFORM }, (tx) => createTeam(tx, "fenced"));
    expect(await db.objects(PLATFORM).findByName("Team", "platform", "fenced")).toBeDefined();
  });
});

describe("outbox", () => {
  it("keeps wake-ups that could not be delivered, and commits them with their cause only", async () => {
    await expect(
      db.write({ scope: PLATFORM }, async (tx) => {
        tx.wake("app", "never");
        throw new Error("rolled back");
      }),
    ).rejects.toThrow("rolled back");
    await db.write({ scope: PLATFORM }, async (tx) => tx.wake("app", "once"));
    await expect(db.relayOutbox(10, () => Promise.reject(new Error("redis is down")))).rejects.toThrow("redis is down");
    const delivered: string[] = [];
    await db.relayOutbox(10, async (wakes) => void delivered.push(...wakes.map(({ key }) => key)));
    expect(delivered).toEqual(["once"]);
    expect(await db.relayOutbox(10, async () => undefined)).toBe(0);
  });
});

describe("secrets", () => {
  it("open with the platform key they were sealed with, in their versions, and nowhere in clear", async () => {
    const { namespace } = await createNamespace("sealed");
    const canary = "canary-7f3a";
    await db.write({ scope: PLATFORM }, (tx) => tx.secrets.put(namespace.metadata.uid, "app_x", "DB_URL", canary));
    await db.write({ scope: PLATFORM }, (tx) => tx.secrets.put(namespace.metadata.uid, "app_x", "DB_URL", "newer"));
    expect(await db.secrets.open(namespace.metadata.uid, "app_x", { DB_URL: 1 })).toEqual({ DB_URL: canary });
    expect(await db.secrets.open(namespace.metadata.uid, "app_x", { DB_URL: 2 })).toEqual({ DB_URL: "newer" });
    const other = openDatabase(test.url, Buffer.alloc(32, 8));
    await expect(other.secrets.open(namespace.metadata.uid, "app_x", { DB_URL: 1 })).rejects.toThrow(/platform key is not the one/);
    await other.close();
  });
});

describe("quota books", () => {
  it("are exact when many charge at once under the lock", async () => {
    const { team, namespace } = await createNamespace("books");
    const [teamUid, namespaceUid] = [team.metadata.uid, namespace.metadata.uid];
    const admitted = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        db.write({ scope: PLATFORM }, async (tx) => {
          await tx.quotas.lock(teamUid, namespaceUid);
          const used = await tx.quotas.used(teamUid, namespaceUid);
          if (used.namespace.instances + 1 > 10) return false;
          await tx.quotas.charge(`owner-${i}`, teamUid, namespaceUid, { ...ZERO_QUOTA, instances: 1 });
          return true;
        }),
      ),
    );
    expect(admitted.filter(Boolean)).toHaveLength(10);
    await db.write({ scope: PLATFORM }, (tx) => tx.quotas.charge("elsewhere", teamUid, "ns_other", { ...ZERO_QUOTA, instances: 5 }));
    expect(await db.quotas.used(teamUid, namespaceUid)).toMatchObject({ team: { instances: 15 }, namespace: { instances: 10 } });
    const [one = "", ...others] = Array.from({ length: 30 }, (_, i) => `owner-${i}`).filter((_, i) => admitted[i]);
    expect(await db.quotas.used(teamUid, namespaceUid, one)).toMatchObject({
      team: { instances: 14 },
      namespace: { instances: others.length },
    });
  });

  it("are held in one order: two that name them the other way round wait for each other, and none is locked out", async () => {
    const { team, namespace } = await createNamespace("order");
    let inside = 0;
    const hold = (first: string, second: string) =>
      db.write({ scope: PLATFORM }, async (tx) => {
        await tx.quotas.lock(first, second);
        inside++;
        const most = inside;
        await new Promise((resolve) => setTimeout(resolve, 5));
        inside--;
        return most;
      });
    const all = await Promise.all(Array.from({ length: 10 }, () => hold(team.metadata.uid, namespace.metadata.uid)));
    expect(Math.max(...all)).toBe(1);
  });
});

describe("rows that are locked", () => {
  it("are read as the one before left them, by uid and by name", async () => {
    const { team, namespace } = await createNamespace("locked");
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        db.write({ scope: PLATFORM }, async (tx) => {
          const { uid, name } = namespace.metadata;
          const locked =
            i % 2 === 0 ? await tx.objects.lock("Namespace", uid) : await tx.objects.lockByName("Namespace", team.metadata.uid, name);
          const used = { ...locked.status.used, instances: locked.status.used.instances + 1 };
          await tx.objects.updateStatus(locked, { ...locked.status, used });
        }),
      ),
    );
    const after = await db.objects(PLATFORM).get("Namespace", namespace.metadata.uid);
    expect(after.status.used.instances).toBe(20);
    // One statement reads as two did: every field, of the same type.
    const both = await db.write({ scope: PLATFORM }, async (tx) => [
      await tx.objects.lock("Namespace", namespace.metadata.uid),
      await tx.objects.get("Namespace", namespace.metadata.uid),
    ]);
    expect(both[0]).toEqual(both[1]);
  });

  it("are another tenant's for nobody else, and of the kind that was asked for", async () => {
    const { team, namespace } = await createNamespace("locked-mine");
    const { team: other } = await createNamespace("locked-theirs");
    const { uid, name } = namespace.metadata;
    const inside = (scope: TenantScope, work: (objects: Tx["objects"]) => Promise<unknown>) =>
      db.write({ scope }, (tx) => work(tx.objects));
    const stranger = { kind: "teams", teamUids: [other.metadata.uid] } as const;
    const member = { kind: "teams", teamUids: [other.metadata.uid, team.metadata.uid] } as const;
    expect(await inside(stranger, (objects) => objects.lockIfThere("Namespace", uid))).toBeUndefined();
    await expect(inside(stranger, (objects) => objects.lock("Namespace", uid))).rejects.toMatchObject({ code: "not_found" });
    await expect(inside(stranger, (objects) => objects.lockByName("Namespace", team.metadata.uid, name))).rejects.toMatchObject({
      code: "not_found",
    });
    await expect(inside({ kind: "teams", teamUids: [] }, (objects) => objects.lock("Namespace", uid))).rejects.toMatchObject({
      code: "not_found",
    });
    expect(await inside(member, (objects) => objects.lock("Namespace", uid))).toMatchObject({ metadata: { uid } });
    expect(await inside(member, (objects) => objects.lockIfThere("App", uid))).toBeUndefined();
  });
});

describe("numbers of a series", () => {
  it("are never given twice", async () => {
    const numbers = await Promise.all(Array.from({ length: 20 }, () => db.write({ scope: PLATFORM }, (tx) => tx.platform.nextNumber("x"))));
    expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });
});
