import { chmodSync, existsSync, readFileSync, symlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { start } from "@plimsoll/exec";
import { describe, expect, it, vi } from "vitest";
import { findMasters } from "./find-haproxy.ts";
import { andBackend, eachOnIngressHost } from "./testing/ingress-host.ts";

const host = eachOnIngressHost();

/** A program that looks like our HAProxy, and runs that Perl code. */
function inItsArguments(code: string, uid: number): ReturnType<typeof start> {
  chmodSync(host.dir, 0o755);
  const program = host.at("haproxy");
  if (!existsSync(program)) symlinkSync("/usr/bin/perl", program);
  const env = { PROGRAM: program, W: "-W", E: "-e", CODE: code, END: "--", F: "-f", CONFIG: host.at("haproxy.cfg") };
  return start(Object.values(env), { uid, env });
}

describe("our HAProxy", () => {
  it("is found at every moment of its start and of its reloads", async () => {
    let desired = host.wish([await host.instance("one")]);
    const seen = new Set<string>();
    let isOver = false;
    const looking = (async () => {
      for (; !isOver; await sleep(0)) seen.add((await findMasters(host.at("haproxy.cfg"))).map(({ pid }) => pid).join());
    })();
    for (let i = 0; i < 4; i++) {
      await host.ingress.apply(desired);
      desired = andBackend(desired, `new${i}`);
    }
    isOver = true;
    await looking;
    seen.delete(""); // Before it was started.
    expect([...seen]).toEqual([`${host.masterPid()}`]);
  });

  it("is nothing that another user calls so", async () => {
    const claimed = async (uid: number) => {
      const child = await inItsArguments("sleep 60", uid);
      try {
        const shown = () => readFileSync(`/proc/${child.pid}/cmdline`, "utf8");
        await vi.waitFor(() => expect(shown()).toContain(host.at("haproxy.cfg")), { timeout: 10_000, interval: 5 });
        return (await findMasters(host.at("haproxy.cfg"))).some(({ pid }) => pid === child.pid);
      } finally {
        child.kill("SIGKILL");
      }
    };
    expect([await claimed(65_534), await claimed(0)]).toEqual([false, true]);
  });

  it("is found although it shows no arguments while it executes itself", async () => {
    const child = await inItsArguments("exec @ENV{qw(PROGRAM W E CODE END F CONFIG)}", 0);
    try {
      await vi.waitFor(async () => expect(await findMasters(host.at("haproxy.cfg"))).toHaveLength(1), { timeout: 10_000, interval: 5 });
      for (let i = 0; i < 100; i++) expect((await findMasters(host.at("haproxy.cfg"))).map(({ pid }) => pid)).toEqual([child.pid]);
    } finally {
      child.kill("SIGKILL");
    }
  });
});
