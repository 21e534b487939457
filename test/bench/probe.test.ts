import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { type Probe, ProbeRecord, startProbe } from "./probe.ts";

/** A prober is a process of its own: on a busy machine its start alone takes seconds. */
const PATIENT = { timeout: 20_000 };
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A server that answers with what `answers` says at that moment. */
async function serve(answers: () => { status: number; body: string }): Promise<{ port: number; requests: () => number }> {
  let requests = 0;
  const server = createServer((_, response) => {
    requests++;
    const { status, body } = answers();
    response.statusCode = status;
    response.end(`${body}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(async () => server.close());
  return { port: (server.address() as AddressInfo).port, requests: () => requests };
}

async function probe(port: number): Promise<Probe> {
  const started = await startProbe(undefined, { port, host: "app.localhost", wanted: "v2", everyMs: 10 });
  closing.push(() => started.end());
  return started;
}

describe("the prober", { timeout: 30_000 }, () => {
  it("asks nothing before it is told, then tells when the new release answered first", async () => {
    let body = "v1";
    const server = await serve(() => ({ status: 200, body }));
    const { begin, whenFirst, end } = await probe(server.port);
    expect(server.requests()).toBe(0);
    begin();
    await expect.poll(server.requests, PATIENT).toBeGreaterThan(2);
    const changedAtMs = Date.now();
    body = "v2";
    expect(await whenFirst(10_000)).toBeGreaterThanOrEqual(changedAtMs);
    expect(await end()).toMatchObject({ failures: [] });
  });

  it("counts a gap of 200 ms in which requests are refused by a status (planted)", async () => {
    let status = 200;
    const server = await serve(() => ({ status, body: "v2" }));
    const { begin, whenFirst, end } = await probe(server.port);
    begin();
    await whenFirst(10_000);
    const good = server.requests();
    status = 503;
    await Promise.all([sleep(200), expect.poll(server.requests, PATIENT).toBeGreaterThan(good + 1)]);
    status = 200;
    const before = server.requests();
    await expect.poll(server.requests, PATIENT).toBeGreaterThan(before + 1);
    const { failures, longestGapMs } = await end();
    expect(failures.length).toBeGreaterThan(0);
    expect(new Set(failures.map(({ reason }) => reason))).toEqual(new Set(["status 503"]));
    expect(longestGapMs).toBeGreaterThanOrEqual(180);
  });

  it("counts answers that end in the middle", async () => {
    let connections = 0;
    const half = createTcpServer((socket) => {
      connections++;
      // Read, else the unread request makes a reset of the end.
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nv2"));
    });
    await new Promise<void>((resolve) => half.listen(0, "127.0.0.1", resolve));
    closing.push(async () => half.close());
    const { begin, end } = await probe((half.address() as AddressInfo).port);
    begin();
    await expect.poll(() => connections, PATIENT).toBeGreaterThan(1);
    const { requests, failures } = await end();
    expect(failures).toHaveLength(requests);
    expect(new Set(failures.map(({ reason }) => reason))).toEqual(new Set(["truncated"]));
  });

  it("counts refused connections", async () => {
    const server = createTcpServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const { begin, end } = await probe(port);
    begin();
    const { failures } = await end();
    expect(new Set(failures.map(({ reason }) => reason))).toEqual(new Set(["ECONNREFUSED"]));
  });
});

describe("a record of probes", () => {
  it("has the longest time between two good answers, and the first of the wanted ones only once", () => {
    const record = new ProbeRecord("v2");
    const add = (body: string, endedAtMs: number) => record.add({ body, sentAtMs: endedAtMs, endedAtMs });
    expect([add("v1\n", 100), add("v2\n", 150), add("v2\n", 400)]).toEqual([false, true, false]);
    expect(record.report()).toEqual({ requests: 3, failures: [], longestGapMs: 250 });
  });
});
