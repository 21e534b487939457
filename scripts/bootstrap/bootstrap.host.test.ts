import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { run, start as startProgram } from "@plimsoll/exec";
import { hostLayout } from "@plimsoll/host";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readMachine } from "./machine.mjs";

const BOOTSTRAP = resolve(import.meta.dirname, "../bootstrap.mjs");

let dataDir: string;
let listener: Server | undefined;

beforeEach(() => {
  dataDir = join(mkdtempSync(join(tmpdir(), "plimsoll-bootstrap-")), "data");
});

afterEach(() => {
  listener?.close();
  listener = undefined;
  rmSync(resolve(dataDir, ".."), { recursive: true });
});

describe("the checks before a start", () => {
  it("find this machine fit, by its real kernel", () => {
    const machine = readMachine({ dataDir, ports: [] });
    expect(Object.entries(machine.kernel).filter(([, presence]) => presence === "absent")).toEqual([]);
    expect(machine.cgroups.version).not.toBe("none");
    expect(machine.freeBytes).toBeGreaterThan(0);
  });

  it("refuse a port that another program has, name it, and change nothing", async () => {
    const port = await listen();
    const answer = await start({ PLIMSOLL_HTTP_PORT: String(port), PLIMSOLL_SSH_PORT: "65001" });
    expect(answer).toMatchObject({ code: 1 });
    expect(answer.stdout).toContain(`Port ${port} is taken by`);
    expect(answer.stdout).toContain(`(process ${process.pid})`);
    expect(answer.stdout).toContain("Nothing was changed.");
    expect(existsSync(dataDir)).toBe(false);
  });

  it("take a port for ours when its program was started for this data directory, and for no other's", async () => {
    const program = "require('net').createServer().listen(0, '127.0.0.1', function () { console.log(this.address().port) })";
    const child = await startProgram([process.execPath, "-e", program], {
      env: { PLIMSOLL_DATA_DIR: dataDir },
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      const port = Number(await new Promise<Buffer>((resolve) => child.stdout?.once("data", resolve)));
      const ownerFor = (of: string) => readMachine({ dataDir: of, ports: [{ port, setting: "" }] }).ports[0]?.owner;
      expect(ownerFor(dataDir)).toMatchObject({ pid: child.pid, ours: true });
      expect(ownerFor(`${dataDir}-2`)).toMatchObject({ pid: child.pid, ours: false });
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("take a port for ours when the ingress that an agent of ours left behind has it", async () => {
    const { runDir, stateDir } = hostLayout({ name: "this-host", dataDir });
    mkdirSync(stateDir, { recursive: true });
    const program = "require('net').createServer().listen(0, '127.0.0.1', function () { console.log(this.address().port) })";
    const child = await startProgram([process.execPath, "-e", program, `${runDir}/ingress/haproxy.cfg`], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      const port = Number(await new Promise<Buffer>((resolve) => child.stdout?.once("data", resolve)));
      const ownerFor = (of: string) => readMachine({ dataDir: of, ports: [{ port, setting: "" }] }).ports[0]?.owner;
      expect(ownerFor(dataDir)).toMatchObject({ pid: child.pid, ours: true });
      expect(ownerFor(`${dataDir}-2`)).toMatchObject({ pid: child.pid, ours: false });
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("refuse another user than root, and change nothing", async () => {
    // In a user namespace without a map one is nobody, and can still read a checkout below /root.
    const answer = await start({}, ["unshare", "--user"]);
    expect(answer).toMatchObject({ code: 1 });
    expect(answer.stdout).toContain("has to run as root: try sudo npm start.");
    expect(existsSync(dataDir)).toBe(false);
  });
});

function start(env: Record<string, string>, within: readonly string[] = []) {
  return run([...within, process.execPath, BOOTSTRAP, "start"], {
    cwd: "/",
    env: { PATH: process.env.PATH ?? "", PLIMSOLL_DATA_DIR: dataDir, ...env },
    okCodes: [0, 1],
  });
}

function listen(): Promise<number> {
  const server = createServer();
  listener = server;
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    }),
  );
}
