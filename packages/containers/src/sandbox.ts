import { closeSync, existsSync, fchownSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { arch, release } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { AppError } from "@plimsoll/core";
import { run, start } from "@plimsoll/exec";
import { type CgroupDriver, type CgroupUsage, type HostLayout, inPrivateMountNamespace, pipe } from "@plimsoll/host";
import { BUILD_CAPABILITIES } from "./capabilities.ts";
import { CONMON_ENV, conmonArgv, containerError, crunArgv, readSyncPipe, SYNC_PIPE_FD } from "./conmon.ts";
import { etcFiles, type HostEntry, type ResolverConfig } from "./etc-files.ts";
import { signalOf } from "./instance-state.ts";
import { missingMountPoints, removeStubs } from "./mount-point-stubs.ts";
import type { BindMount } from "./oci-spec.ts";
import { openFilesLimit } from "./open-files-limit.ts";
import { DEFAULT_SECCOMP_PROFILE, loadSeccomp, type OciSeccomp } from "./seccomp.ts";
import { makeBundle } from "./snapshot-launch.ts";
import { firstLine } from "./sync-pipe.ts";

/** One command of a build, in a container of its own over a chain of layers. */
export interface SandboxRequest {
  readonly layout: HostLayout;
  readonly cgroups: CgroupDriver;
  /** Unique on this host: letters, digits, `_`, `-`. */
  readonly id: string;
  /** Directories of the lower chain, bottom first. */
  readonly layers: readonly string[];
  /** Of LayerStore.temporary(); after the run it holds exactly what the command changed and can be sealed. */
  readonly upperDir: string;
  readonly workDir: string;
  readonly userNamespace: { readonly path: string; readonly uidBase: number };
  /** A child of the user namespace. Absent: no network but lo. */
  readonly networkNamespace?: string;
  /** Parent cgroup relative to cgroupRoot, which exists and has the build's limits: `tenants/<ns>/build/<build>`. */
  readonly cgroupPath: string;
  readonly args: readonly string[];
  /** `NAME=value`; PATH, HOME and HOSTNAME are added where missing. */
  readonly env: readonly string[];
  /** As in an image config; names are looked up in the tree's /etc/passwd and /etc/group. */
  readonly user: string;
  readonly cwd: string;
  /** Default `buildkitsandbox`, as BuildKit's, so that what a command writes down does not differ. */
  readonly hostname?: string;
  readonly hosts?: readonly HostEntry[];
  readonly resolver?: ResolverConfig;
  /** Directories or files with container-side ids on disk. */
  readonly mounts?: readonly BindMount[];
  /** Killed after this time. Default: none. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Called with output as it comes; the order between the streams is not exact. */
  readonly onOutput: (stream: "stdout" | "stderr", chunk: Buffer) => void;
}

export interface SandboxResult {
  /** As a shell sees it. */
  readonly exitCode: number;
  /** The signal that the code stands for. */
  readonly signal?: string;
  /** The kernel killed a process of it at the build's memory limit. */
  readonly outOfMemory: boolean;
  readonly timedOut: boolean;
  readonly cancelled: boolean;
  readonly usage: CgroupUsage;
}

/**
 * Runs the command to its end and takes everything but the upper directory away again, mounts and cgroup included. A failing command is a
 * result, not an error. Throws AppError `invalid` (user, directory or program is to blame) or `internal`. Safe to run side by side in one
 * process. Where the process dies in the middle, the container dies with it when its cgroup is removed, which is then the caller's to do.
 *
 * Main thread only: it makes a mount namespace for the call, and goes back. The caller's own mounts are not touched.
 */
export async function runSandbox(request: SandboxRequest): Promise<SandboxResult> {
  const { layout, cgroups, id } = request;
  const cgroup = `${request.cgroupPath}/${id}`;
  const bundleDir = join(layout.bundlesDir, `.build-${id}`);
  mkdirSync(bundleDir, { recursive: true, mode: 0o700 });
  cgroups.ensure(cgroup);
  try {
    return await runIn(request, cgroup, bundleDir);
  } finally {
    await cgroups.killAll(cgroup);
    if (existsSync(join(layout.crunDir, id))) await run(crunArgv(layout.crunDir, "delete", "--force", id));
    await cgroups.remove(cgroup);
    rmSync(bundleDir, { recursive: true, force: true });
    rmSync(join(layout.exitsDir, id), { force: true });
  }
}

const MOUNT_POINTS = ["/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

async function runIn(request: SandboxRequest, cgroup: string, bundleDir: string): Promise<SandboxResult> {
  const { layout, cgroups, id } = request;
  const [stdoutRead, stdoutWrite] = pipe();
  const [stderrRead, stderrWrite] = pipe();
  // What comes before the program starts is the runtime's own complaint.
  let created = false;
  let complaint = "";
  const take = (stream: "stdout" | "stderr") => (chunk: Buffer) => {
    if (created) request.onOutput(stream, chunk);
    else complaint += chunk.toString();
  };
  const outputs = [drain(stdoutRead, take("stdout")), drain(stderrRead, take("stderr"))];
  const { spawned, stubs } = closing([stdoutWrite, stderrWrite], () =>
    // Until the first await all happens in a mount namespace that ends with the container.
    inPrivateMountNamespace(() => {
      const { rootPath, user } = makeBundle({
        layout,
        bundleDir,
        layers: request.layers,
        upperDir: request.upperDir,
        workDir: request.workDir,
        user: request.user,
        files: filesOf(request),
        ...(request.mounts === undefined ? {} : { idMapped: request.mounts }),
        container: containerOf(request, cgroup),
      });
      const stubs = missingMountPoints(rootPath, [...MOUNT_POINTS, ...(request.mounts ?? []).map(({ destination }) => destination)]);
      // Real pipes that belong to the command's user, so that it can open /dev/stdout.
      for (const fd of [stdoutWrite, stderrWrite]) {
        fchownSync(fd, request.userNamespace.uidBase + user.uid, request.userNamespace.uidBase + user.gid);
      }
      const monitor = conmonArgv({ containerId: id, bundleDir, exitsDir: layout.exitsDir, crunDir: layout.crunDir, foreground: true });
      return { stubs, spawned: start(monitor, { env: CONMON_ENV, cwd: "/", stdio: ["ignore", stdoutWrite, stderrWrite, "pipe"] }) };
    }),
  );
  const conmon = await spawned;
  const ended = new Promise<void>((resolve) => conmon.once("exit", () => resolve()));
  const answer = await firstLine(conmon.stdio[SYNC_PIPE_FD] as Readable);
  if (answer === "") {
    await Promise.all(outputs);
    throw containerError(complaint);
  }
  readSyncPipe(answer);
  created = true;

  let stopped: "timedOut" | "cancelled" | undefined;
  const stop = (why: "timedOut" | "cancelled") => {
    stopped ??= why;
    void cgroups.killAll(cgroup);
  };
  const cancel = () => stop("cancelled");
  const timer = request.timeoutMs === undefined ? undefined : setTimeout(() => stop("timedOut"), request.timeoutMs);
  request.signal?.addEventListener("abort", cancel);
  try {
    if (request.signal?.aborted === true) cancel();
    else await run(crunArgv(layout.crunDir, "start", id));
    await ended;
    await Promise.all(outputs);
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener("abort", cancel);
  }
  const exitFile = join(layout.exitsDir, id);
  if (!existsSync(exitFile)) throw new AppError("internal", "The monitor of a build step died, and its exit status with it.");
  const exitCode = Number(readFileSync(exitFile, "utf8"));
  const usage = cgroups.usage(cgroup);
  removeStubs(request.upperDir, stubs);
  const signal = signalOf(exitCode);
  return {
    exitCode,
    ...(signal === undefined ? {} : { signal }),
    outOfMemory: exitCode !== 0 && usage.oomKills > 0,
    timedOut: stopped === "timedOut",
    cancelled: stopped === "cancelled",
    usage,
  };
}

function containerOf(request: SandboxRequest, cgroup: string) {
  return {
    hostname: hostnameOf(request),
    args: request.args,
    env: request.env,
    cwd: request.cwd,
    capabilities: BUILD_CAPABILITIES,
    // As in Docker: su and sudo work in a Dockerfile. What they can reach is bounded by the capabilities and the user namespace.
    noNewPrivileges: false,
    seccomp: buildSeccomp(),
    userNamespace: request.userNamespace,
    ...(request.networkNamespace === undefined ? {} : { networkNamespace: request.networkNamespace }),
    cgroupsPath: request.cgroups.ociPath(cgroup),
    binds: [],
    openFiles: openFilesLimit(),
  };
}

function filesOf(request: SandboxRequest): Readonly<Record<string, string>> {
  const files = etcFiles({
    hostname: hostnameOf(request),
    hosts: request.hosts ?? [],
    resolver: request.resolver ?? { nameservers: [], search: [], options: [] },
  });
  return { "/etc/hosts": files.hosts, "/etc/hostname": files.hostname, "/etc/resolv.conf": files["resolv.conf"] };
}

function hostnameOf(request: SandboxRequest): string {
  return request.hostname ?? "buildkitsandbox";
}

let seccomp: OciSeccomp | undefined;

function buildSeccomp(): OciSeccomp {
  seccomp ??= loadSeccomp(DEFAULT_SECCOMP_PROFILE, {
    architecture: arch() === "arm64" ? "arm64" : "amd64",
    capabilities: BUILD_CAPABILITIES,
    kernel: release(),
  });
  return seccomp;
}

function drain(fd: number, onChunk: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on("data", onChunk);
    socket.once("error", reject);
    socket.once("close", () => resolve());
  });
}

/** Runs `body` and closes the descriptors, which a child has inherited by then. */
function closing<T>(fds: readonly number[], body: () => T): T {
  try {
    return body();
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}
