import { readdirSync } from "node:fs";
import { join } from "node:path";
import { removeTree, runSandbox, type SandboxRequest, type SandboxResult } from "@plimsoll/containers";
import type { DiskAccount, DiskAmount, OutOfDisk } from "./disk-budget.ts";
import { CacheFull, DiskWatch, type HostOutOfDisk } from "./disk-watch.ts";

/** A shell's word for a command that the kernel ended for the size of a file: 128 and SIGXFSZ (signal(7)). */
const ENDED_BY_SIZE = 128 + 25;
/** What programs say that outlive the signal, as the first process of a container does. */
const TOO_LARGE = /File too large|File size limit exceeded|\bEFBIG\b/;

/** Whether a failed command most likely failed for the size of one file. */
export function metFileLimit(exitCode: number, logTail: readonly string[]): boolean {
  return exitCode === ENDED_BY_SIZE || (exitCode !== 0 && logTail.some((line) => TOO_LARGE.test(line)));
}

/**
 * runSandbox under a disk limit: no file grows beyond it (RLIMIT_FSIZE), and the command is killed when all of them together do. Throws
 * OutOfDisk, HostOutOfDisk or CacheFull besides what runSandbox throws. What is in the upper directory at the end is for the caller to count.
 */
export async function runWithinDisk(
  request: Omit<SandboxRequest, "signal" | "fileBytes">,
  { account, limit }: { readonly account: DiskAccount; readonly limit: DiskAmount },
): Promise<SandboxResult> {
  const brought = request.brought ?? [];
  const uppers = brought.flatMap((mount) => (mount.type === "tree" && mount.upper !== undefined ? [mount.upper] : []));
  const caches = brought.flatMap((mount) =>
    mount.type === "directory" && !mount.readOnly ? [{ directory: mount.root, target: mount.destination }] : [],
  );
  const cgroup = `${request.cgroupPath}/${request.id}`;
  const stop = new AbortController();
  let full: OutOfDisk | HostOutOfDisk | CacheFull | undefined;
  await using watch = new DiskWatch({
    account,
    directories: [request, ...uppers].flatMap(({ upperDir, workDir }) => [upperDir, workDir]),
    caches,
    cacheLimit: limit,
    processes: () => request.cgroups.processes(cgroup),
    onFull: (reason) => {
      full = reason;
      stop.abort();
    },
  });
  const result = await runSandbox({ ...request, signal: stop.signal, fileBytes: account.limit.bytes });
  await watch[Symbol.asyncDispose]();
  // Nobody's build shall fail for it a second time.
  if (full instanceof CacheFull) for (const name of readdirSync(full.directory)) await removeTree(join(full.directory, name));
  if (full !== undefined) throw full;
  return result;
}
