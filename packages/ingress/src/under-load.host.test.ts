import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { andBackend, draining, eachOnIngressHost, echoUpgrades } from "./testing/ingress-host.ts";

const host = eachOnIngressHost();

describe("under load over keep-alive connections", () => {
  it("ten rolling deploys fail no request", async () => {
    let current = await host.instance("v0");
    await host.ingress.apply(host.wish([current]));
    const meter = host.load();
    const untilSeen = (body: string) =>
      vi.waitFor(() => expect(meter.report().bodies.has(body)).toBe(true), { timeout: 10_000, interval: 10 });
    await untilSeen("v0");
    for (let version = 1; version <= 10; version++) {
      const next = await host.instance(`v${version}`);
      await host.ingress.apply(host.wish([current, next]));
      await untilSeen(`v${version}`);
      await host.ingress.apply(host.wish([draining(current), next]));
      await sleep(20);
      await host.ingress.apply(host.wish([next]));
      // Acknowledged and drained: stopping it may cost nothing.
      const gone = host.servers.shift();
      gone?.closeAllConnections();
      gone?.close();
      current = next;
    }
    expect((await meter.stop()).failures).toEqual([]);
  }, 30_000);

  it("the meter sees an instance that is stopped without being drained", async () => {
    const [old, next] = [
      await host.instance("old", (_, response) => void setTimeout(() => response.end("old"), 5)),
      await host.instance("next"),
    ];
    await host.ingress.apply(host.wish([old]));
    const meter = host.load({ method: "POST" });
    await sleep(100);
    host.servers[0]?.closeAllConnections();
    host.servers[0]?.close();
    await sleep(200);
    await host.ingress.apply(host.wish([next]));
    await sleep(100);
    const report = await meter.stop();
    expect(report.failures.length + (report.longestGapMs > 190 ? 1 : 0)).toBeGreaterThan(0);
  });

  it("reloads fail no request, new apps and WebSockets of replaced workers included", async () => {
    let desired = host.wish([await host.instance("one")]);
    echoUpgrades(host.servers[0]);
    await host.ingress.apply(desired);
    const socket = host.openWebSocket();
    await socket.hear("101 Switching");
    const meter = host.load();
    await sleep(100);
    const workers = await host.workers();
    for (let i = 0; i < 3; i++) {
      desired = andBackend(desired, `new${i}`);
      await host.ingress.apply(desired);
      await sleep(100);
    }
    socket.say("still there");
    await socket.hear("echo still there");
    const report = await meter.stop();
    expect(report.failures).toEqual([]);
    expect((await host.workers())[0]).not.toBe(workers[0]);
    socket.close();
  }, 20_000);

  it("an instance that closes kept connections whenever it likes costs no GET", async () => {
    const hasty = await host.instance("hasty");
    const server = host.servers[0];
    if (server !== undefined) server.keepAliveTimeout = 1;
    await host.ingress.apply(host.wish([hasty]));
    const meter = host.load({ pauseMs: 3 });
    await sleep(1_000);
    expect((await meter.stop()).failures).toEqual([]);
  });

  it.each([
    ["the Ingress that replaced it", () => undefined],
    ["the next one", () => host.nextIngress()],
  ])(
    "a withdrawal is acknowledged by %s only when a replaced worker's idle connections cannot reach the endpoint any more",
    async (_, between) => {
      const [old, next] = [await host.instance("old"), await host.instance("next")];
      let desired = host.wish([old]);
      await host.ingress.apply(desired);
      // An idle connection from before the reload.
      const socket = connect(host.port, host.address);
      const ask = () =>
        new Promise<string>((resolve) => {
          let heard = "";
          socket.on("data", (chunk: Buffer) => {
            heard += chunk.toString();
            if (/old$|next$/.test(heard)) resolve(heard);
          });
          socket.once("close", () => resolve("closed"));
          socket.write("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n");
        });
      expect(await ask()).toContain("old");
      desired = andBackend(desired, "another");
      await host.ingress.apply(desired);
      between();
      const startedMs = performance.now();
      let isAcknowledged = false;
      const withdrawn = host.ingress
        .apply({ ...desired, backends: desired.backends.map((b) => (b.id === "b1" ? { ...b, endpoints: [next] } : b)) })
        .then(() => {
          isAcknowledged = true;
        });
      await sleep(500);
      // The replaced worker still routes by what it knew: that is why the answer waits.
      expect(isAcknowledged).toBe(false);
      expect(await ask()).toContain("old");
      // That was its last request; nobody can come by the old way now.
      await withdrawn;
      expect(performance.now() - startedMs).toBeLessThan(11_000);
      expect((await host.get("a.localhost")).body).toBe("next");
      socket.destroy();
    },
    20_000,
  );
});
