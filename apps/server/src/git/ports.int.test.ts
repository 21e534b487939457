import { randomBytes } from "node:crypto";
import { createApp, createNamespace, createTeam, PLATFORM_CALLER } from "@plimsoll/api";
import { type Database, openDatabase, PLATFORM } from "@plimsoll/db";
import { createTestDatabase } from "@plimsoll/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Notifier } from "../notifier.ts";
import { readSettings } from "../settings.ts";
import { createGitPorts } from "./ports.ts";

const PLENTY = { cpuMillis: 10_000, memoryBytes: 1024 ** 4, instances: 10, builds: 1 };
const SHOP = { team: "acme", namespace: "store", app: "shop" };
let db: Database;
let close: () => Promise<void>;
let ports: ReturnType<typeof createGitPorts>;
const apps: Record<string, string> = {};
let userId = "";

beforeAll(async () => {
  const database = await createTestDatabase();
  db = openDatabase(database.url, randomBytes(32));
  const settings = readSettings({
    PLIMSOLL_DATA_DIR: "/nonexistent",
    DATABASE_URL: database.url,
    REDIS_URL: "-",
    PLIMSOLL_API_SOCKET: "-",
  });
  const notifier = new Notifier(db);
  close = async () => {
    await notifier.close();
    await db.close();
    await database.drop();
  };
  ports = createGitPorts(db, settings, notifier);
  await db.write({ scope: PLATFORM }, async (tx) => {
    const context = { tx, caller: PLATFORM_CALLER, settings };
    const team = await createTeam(context, { name: "acme", quota: PLENTY });
    const namespace = await createNamespace(context, team, { name: "store", quota: PLENTY });
    for (const name of ["shop", "other"]) apps[name] = (await createApp(context, namespace, { name })).metadata.uid;
    userId = (await tx.identities.createUser({ name: "Ana", email: "ana@acme.example", passwordHash: "-", operator: false })).id;
    await tx.identities.setMembership(userId, team.metadata.uid, "developer");
  });
});
afterAll(() => close());

const addKey = (app: string, fingerprint: string, access: "read" | "write" = "read") =>
  db.write({ scope: PLATFORM }, (tx) =>
    tx.identities.addDeployKey({ appUid: apps[app] ?? "", name: "ci", fingerprint, access, publicKey: "ssh-ed25519 AAAA", addedBy: "Ana" }),
  );
const addOwn = (fingerprint: string) =>
  db.write({ scope: PLATFORM }, (tx) => tx.identities.addSshKey({ userId, name: "laptop", fingerprint, publicKey: "ssh-ed25519 AAAA" }));
const open = async (fingerprint: string, app: string, access: "read" | "write") => {
  const principal = await ports.authenticateKey(fingerprint, Buffer.alloc(0));
  if (principal === undefined) throw new Error("nobody's key");
  return ports.openRepository(principal, { ...SHOP, app }, access);
};

describe("a deploy key", () => {
  it("fetches its app's repository, pushes where it may, and opens no other", async () => {
    await addKey("shop", "SHA256:reads");
    await addKey("shop", "SHA256:writes", "write");
    expect(await open("SHA256:reads", "shop", "read")).toEqual({ appUid: apps.shop });
    expect(await open("SHA256:writes", "shop", "write")).toEqual({ appUid: apps.shop });
    await expect(open("SHA256:reads", "shop", "write")).rejects.toMatchObject({
      code: "forbidden",
      message: expect.stringContaining("--write"),
    });
    for (const app of ["other", "not-there"])
      await expect(open("SHA256:writes", app, "read")).rejects.toMatchObject({
        code: "forbidden",
        message: `This is a deploy key of another app; acme/store/${app} does not know it.`,
      });
  });

  it("is nobody's when it is removed, and pushes under its own name", async () => {
    const key = await addKey("shop", "SHA256:removed", "write");
    expect(await ports.authenticateKey("SHA256:removed", Buffer.alloc(0))).toMatchObject({
      userId: `deploy-key:${key.id}`,
      name: "deploy key ci",
    });
    expect(await db.write({ scope: PLATFORM }, (tx) => tx.identities.removeDeployKey(apps.other ?? "", key.id))).toBe(false);
    expect(await db.write({ scope: PLATFORM }, (tx) => tx.identities.removeDeployKey(apps.shop ?? "", key.id))).toBe(true);
    expect(await ports.authenticateKey("SHA256:removed", Buffer.alloc(0))).toBeUndefined();
  });

  it("is no second app's and no person's, in either order, also when both come at once", async () => {
    const inUse = { code: "conflict", message: expect.stringContaining("every key belongs to one account or to one app") };
    await addKey("shop", "SHA256:one");
    await expect(addKey("other", "SHA256:one")).rejects.toMatchObject(inUse);
    await expect(addOwn("SHA256:one")).rejects.toMatchObject(inUse);
    await addOwn("SHA256:anas");
    await expect(addKey("shop", "SHA256:anas")).rejects.toMatchObject(inUse);
    expect(await ports.authenticateKey("SHA256:anas", Buffer.alloc(0))).toEqual({ userId, name: "Ana" });
    const both = await Promise.allSettled([addKey("shop", "SHA256:both"), addOwn("SHA256:both"), addKey("other", "SHA256:both")]);
    expect(both.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });
});
