import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { run } from "@plimsoll/exec";

/** What a test could forget on the machine, each trace by a line that tells a person what to look for. */
export type Traces = ReadonlySet<string>;

/**
 * Reads every process, mount, network namespace, cgroup, network device and nft table of the machine, as root sees them. Several
 * test runs at once see each other's.
 */
export async function readTraces(): Promise<Traces> {
  const kinds = await Promise.all([readProcesses(), readMounts(), readNetworkNamespaces(), readCgroups(), readDevices(), readTables()]);
  return new Set(kinds.flat());
}

/** The traces in `after` that were not there before, sorted. Pure. */
export function tracesAdded(before: Traces, after: Traces): readonly string[] {
  return [...after].filter((trace) => !before.has(trace)).sort();
}

async function readProcesses(): Promise<readonly string[]> {
  const mine = await ownFamily();
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && !mine.has(name));
  const lines = await Promise.all(
    pids.map(async (pid) => {
      const cmdline = (await readOrNothing(`/proc/${pid}/cmdline`)).replaceAll("\0", " ").trim();
      // A kernel thread has no command line, nothing of ours starts one, and they come and go.
      return cmdline === "" ? undefined : `process ${pid}: ${cmdline.slice(0, 160)}`;
    }),
  );
  return lines.filter((line) => line !== undefined);
}

/** We and what called us, up to init: they are here before and after. */
async function ownFamily(): Promise<ReadonlySet<string>> {
  const family = new Set<string>();
  for (let pid = String(process.pid); pid !== "0" && pid !== ""; ) {
    family.add(pid);
    const stat = await readOrNothing(`/proc/${pid}/stat`);
    // The name may hold blanks and parentheses; the parent is the second field after the last parenthesis (proc(5)).
    pid = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? "";
  }
  return family;
}

async function readMounts(): Promise<readonly string[]> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).trim().split("\n");
  return lines.map((line) => {
    const [id, , , , target] = line.split(" ");
    return `mount ${target} (${line.split(" - ")[1]?.split(" ")[0]}, id ${id})`;
  });
}

/** Also those without a name, as long as a process is in one. */
async function readNetworkNamespaces(): Promise<readonly string[]> {
  const names = await namesIn("/run/netns");
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const links = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/ns/net`).catch(() => "")));
  return [
    ...names.map((name) => `network namespace ${name}`),
    ...[...new Set(links)].filter(Boolean).map((link) => `network namespace ${link}`),
  ];
}

async function readCgroups(): Promise<readonly string[]> {
  const roots = (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(" ")[4] ?? "");
  const nested = await Promise.all(roots.map((root) => foldersBelow(root)));
  return nested.flat().map((path) => `cgroup ${path}`);
}

async function foldersBelow(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => join(path, entry.name));
  return [...folders, ...(await Promise.all(folders.map(foldersBelow))).flat()];
}

async function readDevices(): Promise<readonly string[]> {
  return (await namesIn("/sys/class/net")).map((name) => `network device ${name}`);
}

async function readTables(): Promise<readonly string[]> {
  const { stdout } = await run(["nft", "-j", "list", "tables"]);
  const { nftables } = JSON.parse(stdout) as { nftables: readonly { table?: { family: string; name: string } }[] };
  return nftables.flatMap(({ table }) => (table === undefined ? [] : [`nft table ${table.family} ${table.name}`]));
}

async function namesIn(path: string): Promise<readonly string[]> {
  return readdir(path).catch(() => []);
}

/** What ended since it was listed is not there. */
async function readOrNothing(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
