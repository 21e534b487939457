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
      if (await isSomebodyElses(pid, mine)) return undefined;
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
    pid = await parentOf(pid);
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

/**
 * Whether a process belongs to a program that ran before us and still does (another terminal, a monitor of the machine). What our tests
 * leave has lost its parents: it hangs below process 1.
 */
async function isSomebodyElses(pid: string, mine: ReadonlySet<string>): Promise<boolean> {
  const ours = await startTicks(String(process.pid));
  for (let ancestor = await parentOf(pid); ancestor !== "" && ancestor !== "0" && ancestor !== "1"; ancestor = await parentOf(ancestor))
    if (!mine.has(ancestor) && (await startTicks(ancestor)) < ours) return true;
  return false;
}

/** Fields of /proc/PID/stat behind the name, which may hold anything (proc(5)): 4 is the parent, 22 the start in clock ticks. */
async function statFields(pid: string): Promise<readonly string[]> {
  const text = await readOrNothing(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

async function parentOf(pid: string): Promise<string> {
  return (await statFields(pid))[1] ?? "";
}

async function startTicks(pid: string): Promise<number> {
  return Number((await statFields(pid))[19] ?? Number.NaN);
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
