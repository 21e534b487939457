import { systemClock } from "@plimsoll/config";
import { type Database, openDatabase, PLATFORM } from "@plimsoll/db";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ControllerPorts, type Controllers, createControllers } from "./index.ts";
import { silent, TestPlatform } from "./testing/platform.ts";
import { ScriptedAgent } from "./testing/scripted-agent.ts";
import { type Guards, unguarded } from "./testing/unguarded.ts";

const settings = { appsDomain: "localhost", appsScheme: "http", appsPort: 8080 } as const;
const ports: ControllerPorts = { finishPush: async (_, end) => end };
const LEASE_MS = 300;

describe("two servers on one database", { timeout: 60_000 }, () => {
  let platform: TestPlatform;
  const toStop: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    platform = await TestPlatform.create({ builds: 10 });
    for (const name of ["host-a", "host-b"]) {
      const agent = await new ScriptedAgent(platform.db, await platform.host(name)).join();
      toStop.push(() => agent.stop());
    }
  });
  afterEach(async () => {
    for (const stop of toStop.splice(0).reverse()) await stop();
    await platform.close();
  });

  /** With a database of its own, which `change` may replace. */
  function server(change: (db: Database) => Database): Controllers {
    const own = openDatabase(platform.url, Buffer.alloc(32, 1));
    const one = createControllers({ db: change(own), clock: systemClock, logger: silent, settings, ports, leaseMs: LEASE_MS });
    one.start();
    toStop.push(async () => {
      await one.stop();
      await own.close();
    });
    return one;
  }

  const poll = (what: () => Promise<unknown>) => expect.poll(what, { timeout: 25_000, interval: 20 });

  /** Instances of one release that were made for the same place, beyond the first: by the log of changes, so none is overlooked. */
  async function doubles(): Promise<number> {
    const rows = await platform.sql(
      `SELECT count(*) - count(DISTINCT (object -> 'metadata' ->> 'ownerUid', object -> 'spec' ->> 'release', object -> 'spec' ->> 'ordinal'))
       AS surplus FROM changes WHERE kind = 'Instance' AND type = 'created'`,
    );
    return Number((rows[0] as { surplus: string }).surplus);
  }

  /** Two servers that have both read what is to be done for a new deployment before either writes, unless that takes longer than `patienceMs`. */
  async function bothDeploy(guards: Guards, patienceMs: number): Promise<string> {
    const { uid } = (await platform.app("shop")).metadata;
    let armed = false;
    let arrived = 0;
    let go: () => void = () => undefined;
    const together = new Promise<void>((resolve) => {
      go = resolve;
    });
    toStop.push(async () => go());
    const meeting = (db: Database): Database => ({
      ...db,
      async write(options, work) {
        if (armed && (options.fence?.key ?? "") === `control/app/${uid}`) {
          if (++arrived === 2) go();
          setTimeout(go, patienceMs).unref();
          await together;
        }
        return db.write(options, work);
      },
    });
    const servers = [0, 1].map(() => server((db) => meeting(unguarded(db, guards))));
    await poll(async () => (await platform.appNow(uid)).status.urls.length).toBe(1);
    armed = true;
    await platform.deploy(uid);
    for (const one of servers) one.wake("app", uid);
    await poll(async () => (await platform.instances(uid)).length).toBeGreaterThan(0);
    return uid;
  }

  it.each<Guards & { readonly name: string }>([
    { name: "leases and versions", leases: true, fence: true, versions: true },
    { name: "leases alone", leases: true, fence: true, versions: false },
    { name: "versions alone", leases: false, fence: false, versions: true },
  ])("make no instance twice under $name", async (guards) => {
    const uid = await bothDeploy(guards, 200);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete"]);
    expect(await platform.running(uid)).toEqual(["web-1 v1 ready", "web-2 v1 ready"]);
    expect(await doubles()).toBe(0);
  });

  it("control: with neither they do", async () => {
    await bothDeploy({ leases: false, fence: false, versions: false }, 20_000);
    await poll(doubles).toBeGreaterThanOrEqual(2);
  });

  /**
   * A server that read what is to be done, then stood still for longer than its lease holds (a blocked event loop, a suspended machine),
   * while another did it; answers what came of the first one's write when it went on.
   */
  async function writeOfTheSleeper(guards: Guards): Promise<string> {
    const { uid } = (await platform.app("shop")).metadata;
    let drowsy = false;
    let wakeUp: () => void = () => undefined;
    const woken = new Promise<void>((resolve) => {
      wakeUp = resolve;
    });
    let outcome: Promise<string> | undefined;
    const asleep = () => outcome !== undefined;
    server((db) => ({
      ...db,
      leases: new Proxy(db.leases, {
        get: (leases, name: "acquire" | "renew" | "release") =>
          name === "renew" && asleep() ? () => woken.then(() => false) : leases[name].bind(leases),
      }),
      relayOutbox: (limit, deliver) => (asleep() ? woken.then(() => 0) : db.relayOutbox(limit, deliver)),
      async write(options, work) {
        if (!drowsy || asleep() || options.fence?.key !== `control/app/${uid}`) return db.write(options, work);
        const written = woken.then(() => unguarded(db, guards).write(options, work));
        outcome = written.then(
          () => "written",
          (error: { code?: string }) => `${error.code}`,
        );
        return written;
      },
    }));
    toStop.push(async () => wakeUp());
    await poll(async () => (await platform.appNow(uid)).status.urls.length).toBe(1);
    drowsy = true;
    await platform.deploy(uid);
    await poll(async () => asleep()).toBe(true);
    server((db) => db);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete"]);
    wakeUp();
    return (await outcome) ?? "never begun";
  }

  it.each([
    { name: "its fence", guards: { leases: true, fence: true, versions: false }, refused: "stale_lease" },
    { name: "what moved on meanwhile", guards: { leases: true, fence: false, versions: true }, refused: "conflict" },
  ])("let one that slept longer than its lease write nothing, by $name", async ({ guards, refused }) => {
    expect(await writeOfTheSleeper(guards)).toBe(refused);
    expect(await doubles()).toBe(0);
    expect((await platform.db.objects(PLATFORM).list("Deployment")).map(({ status }) => status.phase)).toEqual(["complete"]);
  });

  it("control: without both it does it all again", async () => {
    expect(await writeOfTheSleeper({ leases: true, fence: false, versions: false })).toBe("written");
    expect(await doubles()).toBeGreaterThanOrEqual(2);
  });
});
