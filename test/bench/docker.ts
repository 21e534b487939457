import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ChildProcess, minimalEnv, type Output, run } from "@plimsoll/exec";
import { installPackages, missingPackages } from "../../scripts/bootstrap/debian.mjs";
import { createTestHosts } from "../cluster/index.ts";
import { startIn } from "../cluster/test-hosts.ts";

/** The Docker engine of Debian's package, private to one run: the peer. */
export interface Docker {
  /** `20.10.24+dfsg1`: of the engine, whose BuildKit is built in. */
  readonly version: string;
  /** Path of the network namespace in which it publishes ports. */
  readonly netns: string;
  /** Environment of its command line, and of scripts that use it. */
  readonly env: Readonly<Record<string, string>>;
  /** The argv of its command line as a user would type it. */
  argv(...args: string[]): readonly string[];
  /** Runs its command line to its end. */
  docker(...args: string[]): Promise<Output>;
  /** Ends it with its containers and takes away all that it made. Idempotent. */
  stop(): Promise<void>;
}

const PACKAGE = "docker.io";
/** Debian's own, whatever another `docker` on the PATH may be. */
const CLIENT = "/usr/bin/docker";
const ENGINE = "/usr/sbin/dockerd";
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 30_000;
/** Outside of any scratch directory; its containerd makes them wherever it is told to live. */
const LEFTOVERS = ["/run/docker", "/run/containerd"];
const UNITS = ["docker.service", "docker.socket", "containerd.service"];

const CGROUP = "plimsoll-bench-docker-";

/** Whether the engine is here, or was installed now: without starting it, now or at the next boot. */
export async function ensureDockerInstalled(options: { readonly install: boolean; readonly logPath: string }): Promise<boolean> {
  if ((await missingPackages([PACKAGE])).length === 0 && existsSync(ENGINE)) return true;
  if (!options.install) return false;
  await installPackages([PACKAGE], { logPath: options.logPath });
  await run(["deb-systemd-helper", "disable", ...UNITS]);
  await run(["update-rc.d", "docker", "disable"]);
  return true;
}

/**
 * Starts an engine with its data, its socket and its bridge to itself: below `scratch`, and in a network namespace of its own. Needs
 * root. Resolves when it answers.
 */
export async function startDocker(scratch: string): Promise<Docker> {
  await removeAbandoned();
  const [dataDir, execDir] = [join(scratch, "data"), join(scratch, "exec")];
  const socket = `unix://${join(scratch, "docker.sock")}`;
  const parent = `/${CGROUP}${process.pid}`;
  const before = await traces();
  for (const directory of [dataDir, execDir]) await mkdir(directory, { recursive: true });
  const env = { ...minimalEnv, HOME: scratch, DOCKER_CONFIG: join(scratch, "config"), DOCKER_HOST: socket, DOCKER_BUILDKIT: "1" };
  const argv = (...args: string[]) => [CLIENT, ...args];
  const docker = (...args: string[]) => run(argv(...args), { env, timeoutMs: 120_000 });
  const network = await createTestHosts(1);
  let engine: ChildProcess | undefined;
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= (async () => {
      try {
        if (engine !== undefined) await endEngine(engine, docker);
      } finally {
        await network.remove();
        await removeTraces(scratch, parent, before);
      }
    })();
    return stopped;
  };
  try {
    const [host] = network.hosts;
    if (host === undefined) throw new Error("no network namespace was made");
    const pidFile = join(scratch, "docker.pid");
    const places = ["--data-root", dataDir, "--exec-root", execDir, "--host", socket, "--pidfile", pidFile, "--cgroup-parent", parent];
    engine = await startIn(host, [ENGINE, ...places], { env: { ...minimalEnv, TMPDIR: scratch } });
    const version = await whenItAnswers(engine, docker);
    return { version, netns: host.netns, env, argv, docker, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The root file system `rootTar` as an image; `changes` are Dockerfile instructions (`ENV A=b`). */
export async function importImage({ docker }: Docker, rootTar: string, name: string, changes: readonly string[]): Promise<void> {
  await docker("import", ...changes.flatMap((change) => ["--change", change]), rootTar, name);
}

async function whenItAnswers(engine: ChildProcess, docker: Docker["docker"]): Promise<string> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const answer = await docker("version", "--format", "{{.Server.Version}}").catch((error: unknown) => error as Error);
    if ("stdout" in answer) return answer.stdout.trim();
    if (engine.exitCode !== null || performance.now() > deadline)
      throw new Error(`the Docker engine does not start here; try dockerd by hand: ${answer.message}`);
    await sleep(50);
  }
}

async function endEngine(engine: ChildProcess, docker: Docker["docker"]): Promise<void> {
  const { stdout } = await docker("ps", "--all", "--quiet").catch(() => ({ stdout: "" }));
  const containers = stdout.split("\n").filter((id) => id !== "");
  if (containers.length > 0) await docker("rm", "--force", ...containers).catch(() => undefined);
  engine.kill("SIGTERM");
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  while (engine.exitCode === null && engine.signalCode === null && performance.now() < deadline) await sleep(20);
}

interface Traces {
  readonly directories: ReadonlySet<string>;
  readonly cgroups: ReadonlySet<string>;
}

async function traces(): Promise<Traces> {
  return { directories: new Set(LEFTOVERS.filter((path) => existsSync(path))), cgroups: new Set(await topCgroups()) };
}

/** What was there before stays: somebody else's Docker may run here. */
async function removeTraces(scratch: string, parent: string, before: Traces): Promise<void> {
  await unmountBelow(scratch);
  for (const path of await topCgroups()) {
    const isOurs = path.endsWith(parent) || (path.endsWith("/docker") && !before.cgroups.has(path));
    if (isOurs) await removeCgroup(path);
  }
  for (const path of LEFTOVERS) if (!before.directories.has(path)) await rm(path, { recursive: true, force: true });
  await rm(scratch, { recursive: true, force: true });
}

/** Containers of a run that was killed; its engine goes with its network namespace, its scratch directory with the lab's. */
async function removeAbandoned(): Promise<void> {
  for (const path of await topCgroups()) {
    const pid = new RegExp(`/${CGROUP}(\\d+)$`).exec(path)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    await killAllIn(path);
    await removeCgroup(path);
  }
}

/** Also used for what a lab that was killed has left. */
export async function unmountBelow(directory: string): Promise<void> {
  const { stdout } = await run(["findmnt", "--noheadings", "--raw", "--output", "TARGET"]);
  for (const target of stdout.split("\n").filter((path) => path.startsWith(`${directory}/`)))
    await run(["umount", "--lazy", target], { okCodes: [0, 1, 32] });
}

async function topCgroups(): Promise<readonly string[]> {
  const { stdout } = await run(["findmnt", "--noheadings", "--raw", "--types", "cgroup,cgroup2", "--output", "TARGET"]);
  const roots = stdout.split("\n").filter((path) => path !== "");
  return (await Promise.all(roots.map(async (root) => (await readdir(root).catch(() => [])).map((name) => join(root, name))))).flat();
}

async function killAllIn(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true }).catch(() => []))
    if (entry.isDirectory()) await killAllIn(join(path, entry.name));
  const pids = await readFile(join(path, "cgroup.procs"), "utf8").catch(() => "");
  for (const pid of pids.split("\n").filter((line) => line !== "")) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // Ended meanwhile.
    }
  }
}

async function removeCgroup(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeCgroup(join(path, entry.name));
  await rmdir(path).catch(() => undefined);
}

/** Writes files into a directory that `docker build` takes as its context. */
export async function writeContext(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const name of new Set(Object.keys(files).map((path) => dirname(path)))) await mkdir(join(directory, name), { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
}
