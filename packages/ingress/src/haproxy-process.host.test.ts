import { readFileSync, rmSync, statSync } from "node:fs";
import { createServer as createTcpServer } from "node:net";
import { run } from "@plimsoll/exec";
import { identifyProcess, signalProcess, waitGone } from "@plimsoll/host";
import { describe, expect, it, vi } from "vitest";
import { findMasters } from "./find-haproxy.ts";
import { HaproxyProcess } from "./haproxy-process.ts";
import { sendCommands, sendEach } from "./runtime.ts";
import { andBackend, eachOnIngressHost } from "./testing/ingress-host.ts";

const host = eachOnIngressHost();

/** Started as if we did not know of one that runs already: the note is about this one then. */
const anotherHaproxy = () =>
  new HaproxyProcess(
    {
      config: host.at("haproxy.cfg"),
      masterSocket: host.at("master.sock"),
      identity: host.at("haproxy.process.json"),
      log: host.at("haproxy.log"),
    },
    { marks: {}, netns: undefined },
  ).start();

/** As the agent's watch does: the master of a killed worker goes a moment after it. */
const untilStarted = () => vi.waitFor(async () => expect(await host.ingress.ensureRunning()).toBe(true), { timeout: 10_000, interval: 20 });

describe("the process", () => {
  it("answers each of several commands, also when they are refused", async () => {
    await host.ingress.apply(host.wish([await host.instance("one")]));
    const commands = ["set server b1/nobody weight 1", "set server b1/one weight 1", "del server b1/nobody", "del server b1/one"];
    expect(await sendEach(host.at("haproxy.sock"), commands)).toEqual([
      expect.stringMatching(/^No such/),
      "",
      expect.stringMatching(/^No such server/),
      expect.stringMatching(/maintenance/),
    ]);
    // The control: sent together, a refusal and the answer behind it are one.
    const refused = ["del server b1/nobody", "del server b1/nobody"];
    await expect(sendCommands(host.at("haproxy.sock"), refused)).rejects.toMatchObject({ code: "unavailable" });
    expect((await host.get("a.localhost")).body).toBe("one");
  });

  it("runs its worker without privileges, its files for root only", async () => {
    await host.ingress.apply(host.wish([await host.instance("one")]));
    const workers = await host.workers();
    const status = readFileSync(`/proc/${workers[0]}/status`, "utf8");
    expect(/^Uid:\s+(\d+)/m.exec(status)?.[1]).not.toBe("0");
    expect((await run(["readlink", `/proc/${workers[0]}/root`])).stdout.trim()).toBe(host.at("empty"));
    for (const name of ["haproxy.cfg", "hosts.map", "haproxy.sock", "master.sock"]) expect(statSync(host.at(name)).mode & 0o77).toBe(0);
  });

  it("serves again within a second after its master was killed, with all that was changed at run time", async () => {
    const [one, two] = [await host.instance("one"), await host.instance("two")];
    await host.ingress.apply(host.wish([one]));
    await host.ingress.apply(host.wish([two]));
    expect(await host.ingress.ensureRunning()).toBe(false);
    // As the agent does.
    const watch = setInterval(() => void host.ingress.ensureRunning(), 200);
    try {
      process.kill(host.masterPid(), "SIGKILL");
      const killedMs = performance.now();
      await vi.waitFor(async () => expect((await host.get("a.localhost")).body).toBe("two"), { timeout: 10_000, interval: 10 });
      expect(performance.now() - killedMs).toBeLessThan(1_000);
    } finally {
      clearInterval(watch);
    }
  });

  it("heals when its worker was killed", async () => {
    await host.ingress.apply(host.wish([await host.instance("one")]));
    const workers = await host.workers();
    process.kill(workers[0] ?? 0, "SIGKILL");
    const killedMs = performance.now();
    await untilStarted();
    expect((await host.get("a.localhost")).body).toBe("one");
    expect(performance.now() - killedMs).toBeLessThan(1_000);
  });

  it("comes back with what it had when it was killed while we were away", async () => {
    await host.ingress.apply(host.wish([await host.instance("one")]));
    const master = host.masterPid();
    process.kill(master, "SIGKILL");
    host.nextIngress();
    await untilStarted();
    expect((await host.get("a.localhost")).body).toBe("one");
  });

  it("applies only the newest of many wishes that wait, and gathers reloads", async () => {
    let desired = host.wish([await host.instance("one")]);
    await host.ingress.apply(desired);
    const before = await host.workers();
    const wishes: Promise<void>[] = [];
    for (let i = 0; i < 20; i++) {
      desired = andBackend(desired, `n${i}`);
      wishes.push(host.ingress.apply(desired));
    }
    await Promise.all(wishes);
    expect(Number(/master\s+(\d+)/.exec(await host.showProc())?.[1])).toBeLessThanOrEqual(2);
    expect((await host.workers())[0]).not.toBe(before[0]);
  });

  it("stops, also with requests under way, and leaves no process", async () => {
    let isUnderWay = false;
    const slow = await host.instance("slow", (_, response) => {
      isUnderWay = true;
      setTimeout(() => response.end("slow"), 300);
    });
    await host.ingress.apply(host.wish([slow]));
    const answer = host.get("a.localhost");
    await vi.waitFor(() => expect(isUnderWay).toBe(true), { timeout: 10_000, interval: 5 });
    const running = [host.masterPid(), ...(await host.workers())];
    await host.ingress.stop(10_000);
    expect((await answer).body).toBe("slow");
    expect(running.filter((pid) => identifyProcess(pid) !== undefined)).toEqual([]);
    await host.ingress.stop();
    expect(await host.ingress.ensureRunning()).toBe(false);
  });

  it("says that its port is taken", async () => {
    const taken = createTcpServer();
    await new Promise<void>((resolve) => taken.listen(host.port, host.address, () => resolve()));
    await expect(host.ingress.apply(host.wish([]))).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/port taken.*cannot bind/is),
    });
    await new Promise((resolve) => taken.close(resolve));
    await host.ingress.apply(host.wish([await host.instance("one")]));
    expect((await host.get("a.localhost")).body).toBe("one");
  });
});

describe("one that runs already", () => {
  it("goes on without us and is adopted by the next Ingress, also when its note was lost", async () => {
    const [one, two] = [await host.instance("one"), await host.instance("two")];
    await host.ingress.apply(host.wish([one]));
    const master = host.masterPid();
    host.nextIngress();
    expect(await host.ingress.ensureRunning()).toBe(false);
    await host.ingress.apply(host.wish([two]));
    expect([host.masterPid(), (await host.get("a.localhost")).body]).toEqual([master, "two"]);
    rmSync(host.at("haproxy.process.json"));
    host.nextIngress();
    await host.ingress.apply(host.wish([one]));
    expect([host.masterPid(), (await host.get("a.localhost")).body]).toEqual([master, "one"]);
  });

  it("is adopted while its master does not answer: there are never two on the port", async () => {
    const [one, two] = [await host.instance("one"), await host.instance("two")];
    await host.ingress.apply(host.wish([one]));
    const master = host.masterPid();
    for (const lost of ["haproxy.process.json", "master.sock"]) rmSync(host.at(lost), { force: true });
    host.nextIngress();
    expect(await host.ingress.ensureRunning()).toBe(false);
    rmSync(host.at("haproxy.process.json"));
    host.nextIngress();
    await host.ingress.apply(host.wish([two]));
    expect([host.masterPid(), (await host.get("a.localhost")).body]).toEqual([master, "two"]);
    expect((await findMasters(host.at("haproxy.cfg"))).map(({ pid }) => pid)).toEqual([master]);
  });

  it("is adopted while it is starting, and serves then", async () => {
    const [one, two] = [await host.instance("one"), await host.instance("two")];
    await host.ingress.apply(host.wish([one]));
    const former = { pid: host.masterPid(), startTicks: identifyProcess(host.masterPid())?.startTicks ?? 0 };
    signalProcess(former, "SIGKILL");
    await waitGone(former, 2_000);
    await anotherHaproxy();
    const master = host.masterPid();
    rmSync(host.at("haproxy.process.json"));
    host.nextIngress();
    await host.ingress.apply(andBackend(host.wish([two]), "b2"));
    expect([host.masterPid(), (await host.get("a.localhost")).body]).toEqual([master, "two"]);
  });
});
