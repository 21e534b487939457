import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { startLoad } from "./load-meter.ts";

/** The meter against servers that do wrong on purpose: what it does not see here, it would not see in a deploy. */
describe("the load meter", () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  async function serve(listener: RequestListener, port = 0): Promise<number> {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", () => resolve()));
    return (server.address() as AddressInfo).port;
  }
  const load = (port: number, more = {}) => startLoad({ address: "127.0.0.1", port, host: "a.localhost", connections: 4, ...more });

  it("counts no failure where there is none, over kept connections", async () => {
    const sockets = new Set<Socket>();
    const port = await serve((incoming, response) => {
      sockets.add(incoming.socket);
      response.end("v1");
    });
    const meter = load(port);
    await sleep(300);
    const report = await meter.stop();
    expect(report.failures).toEqual([]);
    expect(report.requests).toBeGreaterThan(50);
    expect(sockets.size).toBeLessThanOrEqual(4);
    expect([...report.bodies.keys()]).toEqual(["v1"]);
  });

  it("sees a gap of 200 ms in which connections are refused", async () => {
    const answer: RequestListener = (_, response) => response.end("ok");
    const port = await serve(answer);
    const meter = load(port);
    await sleep(150);
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
    await sleep(200);
    await serve(answer, port);
    await sleep(150);
    const report = await meter.stop();
    expect(report.failures.map((failure) => failure.reason)).toContain("refused");
    expect(report.longestGapMs).toBeGreaterThan(190);
  });

  it("sees a gap of 200 ms in which everything only waits", async () => {
    let isHeld = false;
    const port = await serve(async (_, response) => {
      while (isHeld) await sleep(5);
      response.end("ok");
    });
    const meter = load(port);
    await sleep(100);
    isHeld = true;
    await sleep(200);
    isHeld = false;
    await sleep(100);
    const report = await meter.stop();
    expect(report.failures).toEqual([]);
    expect(report.longestGapMs).toBeGreaterThan(190);
  });

  it.each([
    ["status 503", (_, response) => response.writeHead(503).end("sorry")],
    ["reset", (incoming) => incoming.socket.resetAndDestroy()],
    ["timeout", () => undefined],
    ["body", (_, response) => response.end("something else")],
    [
      "truncated",
      (_, response) => {
        response.writeHead(200, { "content-length": "1000" }).write("only this");
        setTimeout(() => response.destroy(), 5);
      },
    ],
  ] satisfies [string, RequestListener][])("counts %s as failed", async (reason, listener) => {
    let isBad = false;
    const port = await serve((incoming, response) => {
      if (!isBad) return response.end("ok");
      isBad = false;
      return listener(incoming, response);
    });
    const meter = load(port, { timeoutMs: 100, accept: (body: string) => body === "ok" });
    await sleep(80);
    isBad = true;
    await sleep(250);
    expect((await meter.stop()).failures.map((failure) => failure.reason)).toEqual([reason]);
  });
});
