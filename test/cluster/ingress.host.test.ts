import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inNetworkNamespace } from "@plimsoll/host";
import { Ingress } from "@plimsoll/ingress";
import { detachInstance } from "@plimsoll/network";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startLoad } from "../../packages/testkit/src/load-meter.ts";
import { createWiredHosts, type WiredHost, type WiredHosts } from "./wire.ts";

const VNI = 103;

/** The ingress of the first host, instances on the second, requests from the real machine. */
describe("the ingress on one host", () => {
  let wired: WiredHosts;
  let a: WiredHost;
  let b: WiredHost;
  let dir: string;
  let ingress: Ingress;
  const servers: Server[] = [];

  beforeAll(async () => {
    wired = await createWiredHosts(2, { vnis: [VNI] });
    [a, b] = wired.hosts as [WiredHost, WiredHost];
    dir = await mkdtemp(join(tmpdir(), "plim-reach-"));
    ingress = new Ingress(dir, {}, { netns: a.machine.netns });
  }, 30_000);
  afterAll(async () => {
    await ingress?.stop();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    await wired?.remove();
    await rm(dir, { recursive: true, force: true });
  }, 30_000);

  async function serve(host: WiredHost, name: string, address: string) {
    const netns = await wired.instance(host, VNI, name, address);
    const server = createServer((_, response) => response.end(name));
    servers.push(server);
    await new Promise<void>((resolve) => inNetworkNamespace(netns, () => server.listen(8080, () => resolve())));
    return { id: name, address, port: 8080, state: "ready" as const };
  }
  const wish = (endpoints: readonly Awaited<ReturnType<typeof serve>>[]) => ({
    listen: [{ address: "*", port: 8080 }],
    routes: [{ host: "a.localhost", backendId: "b1" }],
    backends: [{ id: "b1", state: "ready" as const, endpoints }],
  });

  it("serves an instance on another, and moves it to its own without a failed request", async () => {
    const there = await serve(b, "there", "10.64.16.10");
    await ingress.apply(wish([there]));
    const meter = startLoad({ address: a.machine.address, port: 8080, host: "a.localhost" });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const here = await serve(a, "here", "10.64.0.10");
    await ingress.apply(wish([there, here]));
    await ingress.apply(wish([here]));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await detachInstance(b.net, { vni: VNI, instanceId: "there" });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const report = await meter.stop();
    expect(report.failures).toEqual([]);
    expect([...report.bodies.keys()].sort()).toEqual(["here", "there"]);
  });

  it("goes on with the other instance when one vanishes without a word", async () => {
    const here = await serve(a, "one", "10.64.0.11");
    const there = await serve(b, "two", "10.64.16.11");
    await ingress.apply(wish([here, there]));
    const meter = startLoad({ address: a.machine.address, port: 8080, host: "a.localhost", connections: 2, timeoutMs: 10_000 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await detachInstance(a.net, { vni: VNI, instanceId: "one" });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const answered = (await meter.stop()).bodies;
    // Requests under way on the vanished one may be lost; new ones are refused there at once and go to the other.
    expect(answered.get("two")).toBeGreaterThan(20);
  });
});
