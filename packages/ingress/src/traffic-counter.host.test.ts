import type { RequestListener } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { andBackend, eachOnIngressHost, echoUpgrades } from "./testing/ingress-host.ts";
import { WorkerSession } from "./worker-session.ts";

const host = eachOnIngressHost();

describe("traffic", () => {
  const requests = async () => (await host.ingress.traffic()).find(({ backendId }) => backendId === "b1")?.requests ?? 0;
  /** An answer is counted a moment after it has gone out. */
  const untilCounted = (count: number) =>
    vi.waitFor(async () => expect(await requests()).toBeGreaterThanOrEqual(count), { timeout: 10_000, interval: 20 });
  const untilAlone = () => vi.waitFor(async () => expect(await host.workers()).toHaveLength(1), { timeout: 10_000, interval: 20 });

  it("is counted to the last answer, also by workers that are replaced in a burst, and none twice", async () => {
    host.nextIngress({ reloadPauseMs: 50 });
    let desired = host.wish([await host.instance("one")]);
    await host.ingress.apply(desired);
    const meter = host.load();
    await sleep(200);
    for (let i = 0; i < 5; i++) {
      desired = andBackend(desired, `new${i}`);
      await host.ingress.apply(desired);
    }
    await sleep(200);
    const report = await meter.stop();
    expect(report.failures).toEqual([]);
    await untilAlone();
    await untilCounted(report.requests);
    expect(await requests()).toBe(report.requests);
  }, 30_000);

  it("of a replaced worker counts while it lives, stays when it ends, and keeps it no longer than that", async () => {
    let answer = () => {};
    const slowly: RequestListener = (_, response) => {
      answer = () => response.end("slow");
    };
    const desired = host.wish([await host.instance("slow", slowly)]);
    await host.ingress.apply(desired);
    const slow = host.get("a.localhost");
    await vi.waitFor(async () => expect((await host.ingress.traffic())[0]?.sessions).toBe(1), { timeout: 10_000, interval: 20 });
    await host.ingress.apply(andBackend(desired, "b2"));
    expect(await host.workers()).toHaveLength(2);
    expect((await host.ingress.traffic())[0]).toMatchObject({ requests: 0, sessions: 1 });
    answer();
    expect((await slow).body).toBe("slow");
    await untilAlone();
    expect((await host.ingress.traffic())[0]).toMatchObject({ requests: 1, sessions: 0 });
  });

  it("goes on with the next Ingress, and over a kill of HAProxy", async () => {
    const desired = host.wish([await host.instance("one")]);
    echoUpgrades(host.servers[0]);
    await host.ingress.apply(desired);
    for (let i = 0; i < 5; i++) await host.get("a.localhost");
    const socket = host.openWebSocket();
    await socket.hear("101 Switching");
    await host.ingress.apply(andBackend(desired, "b2"));
    host.nextIngress();
    await untilCounted(5);
    socket.close();
    await untilAlone();
    await untilCounted(5);
    await host.get("a.localhost");
    await untilCounted(6);
    process.kill(host.masterPid(), "SIGKILL");
    await vi.waitFor(async () => expect(await host.ingress.ensureRunning()).toBe(true), { timeout: 10_000, interval: 20 });
    await host.get("a.localhost");
    await untilCounted(7);
    expect(await requests()).toBeLessThanOrEqual(8); // The WebSocket may have been seen.
  });

  it("keeps a replaced worker with it only while somebody is there to count", async () => {
    const desired = host.wish([await host.instance("one")]);
    await host.ingress.apply(desired);
    const session = await WorkerSession.open(host.at("haproxy.sock"));
    const workers = await host.workers();
    await host.ingress.apply(andBackend(desired, "b2"));
    const isThere = async () => (await host.workers()).includes(workers[0] ?? 0);
    for (let i = 0; i < 20; i++, await sleep(20)) expect(await isThere()).toBe(true);
    // As the kernel does when its program is killed.
    session.close();
    await untilAlone();
    expect(await isThere()).toBe(false);
  });
});
