import { closeSync, existsSync, fchownSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import { run, start } from "@plimsoll/exec";
import { type CgroupDriver, type CgroupUsage, type HostLayout, type IoLimit, inPrivateMountNamespace, pipe } from "@plimsoll/host";
import { BUILD_CAPABILITIES } from "./capabilities.ts";
import { CONMON_ENV, conmonArgv, containerError, crunArgv, readSyncPipe } from "./conmon.ts";
import { etcFiles, type HostEntry, type ResolverConfig } from "./etc-files.ts";
import { signalOf } from "./instance-state.ts";
import { monitorOf } from "./monitor-process.ts";
import { missingMountPoints, removeStubs } from "./mount-point-stubs.ts";
import type { BindMount } from "./oci-spec.ts";
import { openFilesLimit } from "./open-files-limit.ts";
import type { SandboxMount } from "./sandbox-mounts.ts";
import { hostSeccomp, type OciSeccomp } from "./seccomp.ts";
import { type BundleRequest, makeBundle } from "./snapshot-launch.ts";
import { SyncPipe } from "./sync-pipe.ts";

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
  /** What the step brings along, in this order; of these a later one may lie inside an earlier one. */
  readonly brought?: readonly SandboxMount[];
  /** Killed after this time. Default: none. */
  readonly timeoutMs?: number;
  /** No file grows larger: who writes on gets SIGXFSZ. Default: none. */
  readonly fileBytes?: number;
  /** Of the command's own cgroup. Default: none. */
  readonly io?: IoLimit;
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
  /** How often the command was refused another process, for the build had all that it may have; only of one that failed. */
  readonly startsRefused: number;
  readonly timedOut: boolean;
  readonly cancelled: boolean;
  readonly usage: CgroupUsage;
}

const BUNDLE_PREFIX = ".build-";
const MONITOR_ENDS_MS = 2_000;

/**
 * Runs the command to its end and takes everything but the upper directory away again, mounts and cgroup included. A failing command is a
 * result, not an error. Throws AppError `invalid` (user, directory or program is to blame) or `internal`, and MissingMountSource. Safe to run side by side in one
 * process. Where the process dies in the middle, the container goes on until its cgroup is removed, and collectSandboxes takes the rest.
 *
 * Main thread only: it makes a mount namespace for the call, and goes back. The caller's own mounts are not touched.
 */
export async function runSandbox(request: SandboxRequest): Promise<SandboxResult> {
  const { layout, cgroups, id } = request;
  const cgroup = `${request.cgroupPath}/${id}`;
  const bundleDir = join(layout.bundlesDir, `${BUNDLE_PREFIX}${id}`);
  mkdirSync(bundleDir, { recursive: true, mode: 0o700 });
  cgroups.ensure(cgroup);
  if (request.io !== undefined) cgroups.limitIo(cgroup, request.io);
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

/**
 * Takes away what steps left whose process died in the middle, of those that `isAbandoned` says yes to by their id; until then no step can
 * have that id again. Those that still run are left alone: remove their build's cgroup first. A monitor gets a moment to see its command dead.
 */
export async function collectSandboxes(layout: HostLayout, isAbandoned: (id: string) => boolean): Promise<void> {
  for (const name of existsSync(layout.bundlesDir) ? readdirSync(layout.bundlesDir) : []) {
    const id = name.slice(BUNDLE_PREFIX.length);
    if (!name.startsWith(BUNDLE_PREFIX) || !isAbandoned(id)) continue;
    const bundleDir = join(layout.bundlesDir, name);
    for (const end = performance.now() + MONITOR_ENDS_MS; monitorOf(bundleDir, id) !== undefined && performance.now() < end; )
      await new Promise((resolve) => setTimeout(resolve, 10));
    if (monitorOf(bundleDir, id) !== undefined) continue;
    if (existsSync(join(layout.crunDir, id))) await run(crunArgv(layout.crunDir, "delete", "--force", id));
    rmSync(bundleDir, { recursive: true, force: true });
    rmSync(join(layout.exitsDir, id), { force: true });
  }
}

const MOUNT_POINTS = ["/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

async function runIn(request: SandboxRequest, cgroup: string, bundleDir: string): Promise<SandboxResult> {
  const { layout, cgroups, id } = request;
  // What comes before the program starts is the runtime's own complaint.
  let created = false;
  let complaint = "";
  const take = (stream: "stdout" | "stderr") => (chunk: Buffer) => {
    if (created) request.onOutput(stream, chunk);
    else complaint += chunk.toString();
  };
  const sync = new SyncPipe();
  const { spawned, outputs, stubs } = spawnMonitor(request, cgroup, bundleDir, sync, take);
  const conmon = await spawned;
  const ended = new Promise<void>((resolve) => conmon.once("exit", () => resolve()));
  const answer = await sync.firstLine();
  if (answer === "") {
    await outputs;
    throw containerError(complaint);
  }
  readSyncPipe(answer);
  created = true;

  const stopped = await startAndWait(request, cgroup, ended);
  await outputs;
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
    // cgroup v1 counts where the command is, v2 where the limit is.
    startsRefused: exitCode === 0 ? 0 : Math.max(usage.startsRefused, cgroups.usage(request.cgroupPath).startsRefused),
    timedOut: stopped === "timedOut",
    cancelled: stopped === "cancelled",
    usage,
  };
}

/** Synchronous: all of it happens in a mount namespace that ends with the container. */
function spawnMonitor(
  request: SandboxRequest,
  cgroup: string,
  bundleDir: string,
  sync: SyncPipe,
  take: (stream: "stdout" | "stderr") => (chunk: Buffer) => void,
) {
  const { layout, id, userNamespace } = request;
  const [stdoutRead, stdoutWrite] = pipe();
  const [stderrRead, stderrWrite] = pipe();
  const outputs = Promise.all([drain(stdoutRead, take("stdout")), drain(stderrRead, take("stderr"))]);
  try {
    return inPrivateMountNamespace(() => {
      const { rootPath, user } = makeBundle(bundleOf(request, cgroup, bundleDir));
      const own = [...(request.mounts ?? []), ...(request.brought ?? [])].map(({ destination }) => destination);
      const stubs = missingMountPoints(rootPath, [...MOUNT_POINTS, ...own]);
      // Real pipes that belong to the command's user, so that it can open /dev/stdout.
      for (const fd of [stdoutWrite, stderrWrite]) fchownSync(fd, userNamespace.uidBase + user.uid, userNamespace.uidBase + user.gid);
      const monitor = conmonArgv({ containerId: id, bundleDir, exitsDir: layout.exitsDir, crunDir: layout.crunDir, foreground: true });
      const stdio = ["ignore" as const, stdoutWrite, stderrWrite, ...sync.inherited];
      return { outputs, stubs, spawned: start(monitor, { env: CONMON_ENV, cwd: "/", stdio }) };
    });
  } catch (error) {
    sync.close();
    throw error;
  } finally {
    // A child has inherited them by now.
    for (const fd of [stdoutWrite, stderrWrite]) closeSync(fd);
  }
}

/** Resolves when the container has ended; tells who ended it before its time. */
async function startAndWait(request: SandboxRequest, cgroup: string, ended: Promise<void>): Promise<"timedOut" | "cancelled" | undefined> {
  const { layout, cgroups, id, signal, timeoutMs } = request;
  let stopped: "timedOut" | "cancelled" | undefined;
  const stop = (why: "timedOut" | "cancelled") => {
    stopped ??= why;
    // Until the monitor tells the end; a container that is just being started may come in after the first time.
    const kill = () => cgroups.killAll(cgroup).catch(() => undefined);
    void kill();
    const again = setInterval(kill, 500);
    void ended.then(() => clearInterval(again));
  };
  const cancel = () => stop("cancelled");
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => stop("timedOut"), timeoutMs);
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    if (signal?.aborted === true) cancel();
    else {
      await run(crunArgv(layout.crunDir, "start", id)).catch((error: unknown) => {
        // Killed between creation and start.
        if (stopped === undefined) throw error;
      });
    }
    await ended;
    return stopped;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", cancel);
  }
}

/** What the command's container is made of. */
export function bundleOf(request: SandboxRequest, cgroup: string, bundleDir: string): BundleRequest {
  return {
    layout: request.layout,
    bundleDir,
    layers: request.layers,
    upperDir: request.upperDir,
    workDir: request.workDir,
    user: request.user,
    files: filesOf(request),
    ...(request.mounts === undefined ? {} : { idMapped: request.mounts }),
    ...(request.brought === undefined ? {} : { brought: request.brought }),
    container: containerOf(request, cgroup),
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
    ...(request.fileBytes === undefined ? {} : { fileBytes: request.fileBytes }),
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
  seccomp ??= hostSeccomp(BUILD_CAPABILITIES);
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
