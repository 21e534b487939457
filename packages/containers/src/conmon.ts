import { join } from "node:path";
import { AppError } from "@plimsoll/core";

/** Files that conmon keeps for one run of one container, below its bundle. */
export interface MonitorFiles {
  readonly bundleDir: string;
  /** Of the container's first process, in the host's numbering. */
  readonly containerPidFile: string;
  readonly monitorPidFile: string;
  /** Takes "reopen your log". */
  readonly controlFifo: string;
}

export function monitorFiles(bundleDir: string): MonitorFiles {
  return {
    bundleDir,
    containerPidFile: join(bundleDir, "container.pid"),
    monitorPidFile: join(bundleDir, "conmon.pid"),
    controlFifo: join(bundleDir, "ctl"),
  };
}

export interface MonitorRequest {
  readonly containerId: string;
  readonly bundleDir: string;
  readonly exitsDir: string;
  readonly crunDir: string;
  /** k8s-file: kept by conmon, rotated by us, capped at `bytes` for the time that nobody rotates. Absent: the streams that conmon itself has. */
  readonly log?: { readonly path: string; readonly maxBytes: number };
  /** Stay in the foreground, a child of the caller. */
  readonly foreground?: boolean;
}

export const CRUN = "/usr/bin/crun";
export const CONMON = "/usr/bin/conmon";

/** The runtime's own state lies with the layout, and cgroups are plain directories to it, on systemd hosts too. */
export function crunArgv(crunDir: string, ...args: readonly string[]): readonly string[] {
  return [CRUN, `--root=${crunDir}`, "--cgroup-manager=cgroupfs", ...args];
}

/** Pure. The caller opens the sync pipe as descriptor 3 and sets _OCI_SYNCPIPE=3. */
export function conmonArgv(request: MonitorRequest): readonly string[] {
  const { containerId, bundleDir } = request;
  const files = monitorFiles(bundleDir);
  const log =
    request.log === undefined
      ? ["-l", "passthrough"]
      : ["-l", `k8s-file:${request.log.path}`, "--log-size-max", String(request.log.maxBytes)];
  return [
    CONMON,
    ...["--api-version", "1", "-c", containerId, "-u", containerId, "-n", containerId],
    ...["-r", CRUN, "--runtime-arg", `--root=${request.crunDir}`, "--runtime-arg", "--cgroup-manager=cgroupfs"],
    ...["-b", bundleDir, "-p", files.containerPidFile, "--conmon-pidfile", files.monitorPidFile],
    ...["--exit-dir", request.exitsDir, "--socket-dir-path", bundleDir],
    ...log,
    ...(request.foreground === true ? ["--sync"] : []),
  ];
}

export const SYNC_PIPE_FD = 3;
export const CONMON_ENV = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", _OCI_SYNCPIPE: String(SYNC_PIPE_FD) };

/**
 * What conmon says on its sync pipe: `{"data": <pid>}` when the container is created, `{"data": -1, "message": …}` when it is not.
 * Returns the pid. Throws AppError: `invalid` where the image or command is to blame, else `internal`. Pure.
 */
export function readSyncPipe(text: string): number {
  const line = text.split("\n").find((each) => each.trim() !== "");
  if (line === undefined) throw new AppError("internal", "conmon ended without a word: the container was not created.");
  const answer: { data?: number; message?: string } = JSON.parse(line);
  if (typeof answer.data === "number" && answer.data > 0) return answer.data;
  throw containerError(answer.message ?? "no reason given");
}

/** The runtime's complaint about what the image or the user asked for, or about anything else. */
export function containerError(message: string): AppError {
  const text = message.trim().replaceAll(/\s+/g, " ");
  if (/executable file .* not found|no such file or directory|permission denied: .*exec|cannot find .* in \$PATH/i.test(text))
    return new AppError("invalid", `The container cannot be started: ${text}`, { retry: "never" });
  return new AppError("internal", `The container could not be created: ${text}`);
}

/** conmon's order over its control FIFO: type, height, width; type 2 is "reopen your log" (conmon, ctrl.c). */
export const REOPEN_LOG = "2 0 0\n";
