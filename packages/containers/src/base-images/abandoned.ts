import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { identifyProcess, isAlive } from "@plimsoll/host";

const NAME = /^\.?pull-(\d+)-(\d+)-/;

/** What names of temporary directories of this process begin with, so that another knows whose they were. */
export function pullPrefix(): string {
  return `pull-${process.pid}-${identifyProcess(process.pid)?.startTicks ?? 0}-`;
}

/** Removes what pulls of processes that are gone have left in a directory. */
export function collectAbandonedPulls(directory: string): void {
  for (const name of readdirSync(directory)) {
    const [, pid, startTicks] = NAME.exec(name) ?? [];
    if (pid === undefined || isAlive({ pid: Number(pid), startTicks: Number(startTicks) })) continue;
    rmSync(join(directory, name), { recursive: true, force: true });
  }
}
