import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { query } from "./database.ts";
import type { Platform } from "./platform.ts";

/**
 * All that a platform's instances and builds are on its host – processes, mounts, network namespaces, cgroups, bundles, snapshots,
 * addresses – one line each, sorted. Instances that the database knows are called `an instance`, so that two states with as many of them
 * are equal; what nobody knows keeps its name.
 */
export async function readHostState(platform: Platform): Promise<readonly string[]> {
  const { host } = platform;
  const [known, processes, mounts, namespaces, cgroups, ...directories] = await Promise.all([
    query<{ uid: string }>(platform, "SELECT uid FROM objects WHERE kind = 'Instance'"),
    readProcesses(new RegExp(`${host.cgroupRoot}/`)),
    readMounts([host.runDir, host.stateDir]),
    namesIn(host.netnsDir),
    readCgroups(host.cgroupRoot.split("/").at(-1) ?? ""),
    ...[
      ...[host.bundlesDir, host.snapshotsDir, host.mountsDir, join(host.runDir, "addresses"), join(host.runDir, "builder")],
      ...[join(host.layersDir, "tmp"), join(host.stateDir, "scratch")],
    ].map(async (path) => (await namesIn(path)).filter((name) => !name.startsWith(".")).map((name) => `file ${path}/${name}`)),
  ]);
  const lines = [
    ...processes,
    ...mounts,
    ...namespaces.filter((name) => name.startsWith(host.netnsPrefix)).map((name) => `network namespace ${name}`),
    ...cgroups,
    ...directories.flat(),
  ];
  const uids = known.map(({ uid }) => uid);
  return lines.map((line) => uids.reduce((text, uid) => text.replaceAll(uid, "<an instance>"), line)).sort();
}

/** Commands that run in a build of namespace `demo` now, by name. */
export async function buildCommands({ host }: Platform): Promise<readonly string[]> {
  const processes = await readProcesses(new RegExp(`${host.cgroupRoot}/tenants/[^/]+/build/`));
  return processes.map((line) => line.replace("process ", ""));
}

/** Waits until the state is as it was; answers what is more (`+`) and what is less (`-`), nothing when it is the same. */
export async function hostStateAgain(platform: Platform, before: readonly string[], timeoutMs = 15_000): Promise<readonly string[]> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const now = await readHostState(platform);
    const difference = [...without(now, before).map((line) => `+ ${line}`), ...without(before, now).map((line) => `- ${line}`)];
    if (difference.length === 0 || performance.now() > deadline) return difference;
    await sleep(200);
  }
}

/** Of equal lines each counts. */
function without(lines: readonly string[], others: readonly string[]): readonly string[] {
  const left = [...others];
  return lines.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** Monitors, and what runs in containers and builds: told by their cgroup. */
async function readProcesses(cgroups: RegExp): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map(async (pid) => {
      const cgroup = await textOf(`/proc/${pid}/cgroup`);
      if (!cgroups.test(cgroup)) return undefined;
      const [, state] = (await textOf(`/proc/${pid}/stat`)).split(") ");
      return state?.startsWith("Z") === true ? undefined : `process ${(await textOf(`/proc/${pid}/comm`)).trim()}`;
    }),
  );
  return lines.filter((line) => line !== undefined);
}

async function readMounts(roots: readonly string[]): Promise<readonly string[]> {
  return (await textOf("/proc/self/mountinfo"))
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((target) => roots.some((root) => target === root || target.startsWith(`${root}/`)))
    .map((target) => `mount ${target}`);
}

async function readCgroups(name: string): Promise<readonly string[]> {
  const roots = (await textOf("/proc/self/mountinfo"))
    .split("\n")
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => join(line.split(" ")[4] ?? "", name));
  return (await Promise.all(roots.map(foldersBelow))).flat().map((path) => `cgroup ${path}`);
}

async function foldersBelow(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => join(path, entry.name));
  return [...folders, ...(await Promise.all(folders.map(foldersBelow))).flat()];
}

function namesIn(path: string): Promise<readonly string[]> {
  return readdir(path).catch(() => []);
}

function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
