import { systemClock } from "@plimsoll/config";
import { type Database, openDatabase, PLATFORM } from "@plimsoll/db";
import { it } from "vitest";
import { createControllers } from "./index.ts";
import { silent, TestPlatform } from "./testing/platform.ts";
import { ScriptedAgent } from "./testing/scripted-agent.ts";

const settings = { appsDomain: "localhost", appsScheme: "http", appsPort: 8080 } as const;
it.each([false,false,false,false,false,false])(
  "x lawless=%s",
  async (lawless) => {
    const platform = await TestPlatform.create({ builds: 10 });
    const stops: (() => Promise<unknown>)[] = [];
    const server = () => {
      const inner = openDatabase(platform.url, Buffer.alloc(32, 1));
      const db: Database = lawless
        ? {
            ...inner,
            leases: new Proxy(inner.leases, {
              get: (t, n: string) =>
                n === "acquire"
                  ? async (key: string, holder: string) => ({ key, holder, epoch: 1 })
                  : n === "renew"
                    ? async () => true
                    : n === "release"
                      ? async () => undefined
                      : Reflect.get(t, n).bind(t),
            }),
            write: (o, w) => inner.write({ scope: o.scope }, w),
          }
        : inner;
      const one = createControllers({
        db,
        clock: systemClock,
        logger: silent,
        settings,
        ports: { finishPush: async (_p, e) => e },
        leaseMs: 500,
      });
      one.start();
      stops.push(async () => {
        await one.stop();
        await inner.close();
      });
      return one;
    };
    for (const name of ["host-a", "host-b"]) {
      const a = new ScriptedAgent(platform.db, await platform.host(name)).start();
      stops.unshift(() => a.stop());
    }
    const servers = [server(), server()];
    const apps = await Promise.all(["a", "b", "c", "d"].map((n) => platform.app(n)));
    const uids = apps.map(({ metadata }) => metadata.uid);
    for (let r = 0; r < 3; r++) {
      await Promise.all(uids.map((u) => platform.push(u)));
      for (const u of uids) for (const s of servers) s.wake("app", u);
    }
    for (let i = 0; i < 300; i++) {
    await new Promise((r) => setTimeout(r, 100));
    if ((await platform.db.pushes.open()).length + (await platform.db.objects(PLATFORM).list("Deployment", { phases: ["starting", "draining"] })).length === 0) break;
  }
  for (const u of uids) { const d = await platform.deployments(u); if (d.join().includes("failed")) console.log(d, await platform.running(u), JSON.stringify([(await platform.db.objects(PLATFORM).list("Deployment", { ownerUid: u })).map(x=>[x.spec.number,x.spec.release,x.status]), (await platform.db.objects(PLATFORM).list("Instance", { ownerUid: u })).map(x=>[x.spec.process,x.spec.ordinal,x.spec.release,x.status]),(await platform.appNow(u)).status, (await platform.db.objects(PLATFORM).list("Event", { ownerUid: u })).map(x=>x.spec)], null, 1)); }
  const created = await platform.sql("SELECT kind, count(*) FROM changes WHERE type='created' GROUP BY kind");
    console.log(JSON.stringify(created), "");
    for (const s of stops) await s();
    await platform.close();
  },
  60000,
);
