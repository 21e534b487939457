import type { Machine } from "./machine.ts";

const WATCHED_SECONDS = 10;

/** The values of a cgroup's files, with spaces between them. */
export async function readCgroup(machine: Machine, cgroup: string, files: readonly string[]): Promise<string> {
  return (await machine.sh(`cd ${cgroup} && cat ${files.join(" ")}`)).replaceAll("\n", " ");
}

/** How much of one processor a cgroup uses, by the machine's own clock. */
export async function cpuShare(machine: Machine, cgroup: string): Promise<number> {
  const look = `cut -d" " -f1 /proc/uptime; sed -n "s/^usage_usec //p" ${cgroup}/cpu.stat`;
  const [from = 0, before = 0, to = 0, after = 0] = (await machine.sh(`${look}; sleep ${WATCHED_SECONDS}; ${look}`))
    .split("\n")
    .map(Number);
  return (after - before) / 1e6 / (to - from);
}
