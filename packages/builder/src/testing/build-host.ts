import { randomBytes } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { ImageStore, LayerStore } from "@plimsoll/containers";
import { AppError, type BuildEvent, type BuildLimits, type Image, type ImageConfig } from "@plimsoll/core";
import { run, start } from "@plimsoll/exec";
import {
  type CgroupDriver,
  cgroupDriver,
  ensureHostLayout,
  ensureNetworkNamespace,
  type HostLayout,
  hostLayout,
  RootedTree,
  removeHostLayout,
  removeNetworkNamespace,
} from "@plimsoll/host";
import { type Builder, type BuilderOptions, type BuildOutcome, type BuildRequest, createBuilder } from "../builder.ts";
import type { BuildNetwork } from "../solve/network.ts";
import { commitFiles, type TestFile } from "./repository.ts";

export const NAMESPACE = { uid: "ns-test", uidBase: 300_000 } as const;
export const LIMITS: BuildLimits = { cpuMillis: 2_000, memoryBytes: 512 * 1024 ** 2, pids: 200, timeoutMs: 60_000, logBytes: 1024 * 1024 };

const APPLETS = [
  "sh",
  "cat",
  "chmod",
  "chown",
  "cp",
  "dd",
  "echo",
  "env",
  "false",
  "hostname",
  "id",
  "ln",
  "ls",
  "mkdir",
  "mv",
  "pwd",
  "rm",
  "sleep",
  "stat",
  "touch",
  "true",
  "yes",
];
const CONFIG: ImageConfig = {
  architecture: process.arch === "arm64" ? "arm64" : "amd64",
  os: "linux",
  env: ["BASE=1"],
  entrypoint: [],
  cmd: ["sh"],
  user: "",
  workingDir: "",
  exposedPorts: [],
  labels: { base: "yes" },
};

export interface BuildRun {
  readonly outcome: BuildOutcome;
  readonly events: readonly BuildEvent[];
  /** Labels of steps by how they ended. */
  readonly steps: Readonly<Record<"cached" | "done" | "failed", readonly string[]>>;
  readonly log: string;
  readonly elapsedMs: number;
}

const DIR = /^plimsoll-builder-(\d+)-/;

/**
 * For tests: a host of our own with layout, stores, cgroups, a busybox base image, a git repository and a builder. Opening one takes away
 * what was left by processes that were killed.
 */
export class BuildHost implements AsyncDisposable {
  readonly dir: string;
  readonly layout: HostLayout;
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly cgroups: CgroupDriver;
  readonly repository: string;
  readonly bases = new Map<string, Image>();
  readonly networks = new Set<string>();
  /** Called with each network's path, before anything runs in it. */
  onNetwork: (path: string) => Promise<void> = async () => undefined;
  readonly builder: Builder;
  private readonly builders: Builder[] = [];
  private sequence = 0;

  private constructor(dir: string) {
    this.dir = dir;
    this.layout = hostLayout({ name: `b${randomBytes(3).toString("hex")}`, dataDir: dir });
    this.layers = new LayerStore(this.layout.layersDir);
    this.images = new ImageStore(this.layout.imagesDir, this.layers);
    this.cgroups = cgroupDriver(this.layout);
    this.repository = join(dir, "repository.git");
    this.builder = this.newBuilder();
  }

  static async open(): Promise<BuildHost> {
    for (const name of readdirSync(tmpdir())) {
      const pid = DIR.exec(name)?.[1];
      if (pid !== undefined && !existsSync(`/proc/${pid}`)) await removeHosts(join(tmpdir(), name));
    }
    const host = new BuildHost(mkdtempSync(join(tmpdir(), `plimsoll-builder-${process.pid}-`)));
    await ensureHostLayout(host.layout);
    await run(["git", "init", "-q", "--bare", host.repository]);
    await host.addBase("busybox", fillBusybox);
    return host;
  }

  /** Another one on the same directories, as after a restart of the agent. */
  newBuilder(more: Pick<BuilderOptions, "certificatesFile" | "ioBytesPerSecond"> = {}): Builder {
    const { layout, layers, images, cgroups } = this;
    const baseImages = {
      resolve: async (reference: string) => {
        const image = this.bases.get(reference);
        if (image === undefined) throw new AppError("not_found", `There is no image ${reference}.`);
        return { image };
      },
      kept: () => new Set([...this.bases.values()].map(({ digest }) => digest)),
    };
    const builder = createBuilder({
      layout,
      layers,
      images,
      baseImages,
      cgroups,
      network: this.network(),
      cacheDir: join(this.dir, "cache"),
      clock: { now: () => new Date() },
      ...more,
    });
    this.builders.push(builder);
    return builder;
  }

  /** An image of one layer, filled by `fill`. */
  async addBase(reference: string, fill: (root: string) => void, config: Partial<ImageConfig> = {}): Promise<Image> {
    const root = mkdtempSync(join(this.dir, "base-"));
    chmodSync(root, 0o755);
    fill(root);
    const tar = await start(["tar", "-C", root, "--xattrs", "--xattrs-include=*", "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
    const layer = await this.layers.importOciLayer(Readable.from(tar.stdout ?? []), "application/vnd.oci.image.layer.v1.tar");
    rmSync(root, { recursive: true });
    const image = await this.images.put({ ...CONFIG, ...config }, [layer]);
    this.bases.set(reference, image);
    return image;
  }

  commit(files: Readonly<Record<string, TestFile>>, seconds?: number): Promise<string> {
    return commitFiles(this.repository, files, seconds === undefined ? {} : { seconds });
  }

  /** Commits and builds. */
  async build(
    files: Readonly<Record<string, TestFile>>,
    options: {
      readonly request?: Partial<BuildRequest>;
      readonly builder?: Builder;
      readonly signal?: AbortSignal;
      readonly onEvent?: (event: BuildEvent) => void;
    } = {},
  ): Promise<BuildRun> {
    const commit = await this.commit(files);
    const request = {
      id: `build-${this.sequence++}`,
      namespace: NAMESPACE,
      repository: this.repository,
      commit,
      limits: LIMITS,
      ...options.request,
    };
    const events: BuildEvent[] = [];
    const began = performance.now();
    const onEvent = (event: BuildEvent) => {
      events.push(event);
      options.onEvent?.(event);
    };
    const outcome = await (options.builder ?? this.builder).build(request, {
      onEvent,
      signal: options.signal ?? new AbortController().signal,
    });
    const elapsedMs = performance.now() - began;
    return {
      outcome,
      events,
      steps: stepsOf(events),
      log: events.map((event) => (event.type === "step-log" ? event.text : "")).join(""),
      elapsedMs,
    };
  }

  /** Looks into one layer's directory. */
  layerTree(image: Image, index: number): RootedTree {
    const layer = image.layers.at(index);
    if (layer === undefined) throw new Error(`no layer ${index}`);
    return new RootedTree(this.layers.dirOf(layer.digest));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const builder of this.builders) await builder.close();
    await this.layers.settled();
    await removeHostLayout(this.layout);
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Real network namespaces that lead nowhere: the way to the registries is the host's wiring. */
  private network(): BuildNetwork {
    return {
      acquire: async ({ buildId, userNamespacePath }) => {
        this.networks.add(buildId);
        const path = await ensureNetworkNamespace(this.layout, `b-${buildId}`, userNamespacePath);
        await this.onNetwork(path);
        return { path, nameservers: ["192.0.2.53"] };
      },
      release: async (buildId) => {
        await removeNetworkNamespace(this.layout, `b-${buildId}`);
        this.networks.delete(buildId);
      },
    };
  }
}

/** Removes every host of the directory, with what still runs there, and the directory itself. */
async function removeHosts(dir: string): Promise<void> {
  const hosts = join(dir, "hosts");
  if (existsSync(hosts)) for (const name of readdirSync(hosts)) await removeHostLayout(hostLayout({ name, dataDir: dir }));
  rmSync(dir, { recursive: true, force: true });
}

/** Removes what this process opened and has not closed: for programs that are told to end. */
export async function removeOwnHosts(): Promise<void> {
  for (const name of readdirSync(tmpdir())) if (DIR.exec(name)?.[1] === String(process.pid)) await removeHosts(join(tmpdir(), name));
}

export function imageOf({ outcome }: BuildRun): Image {
  if (outcome.kind === "image") return outcome.image;
  throw new Error(`the build failed: ${JSON.stringify(outcome.failure)}`, { cause: outcome.cause });
}

export function failureOf({ outcome }: BuildRun) {
  if (outcome.kind === "failure") return outcome.failure;
  throw new Error("the build made an image");
}

function stepsOf(events: readonly BuildEvent[]): BuildRun["steps"] {
  const plan = events.find((event) => event.type === "plan");
  const labels = new Map(plan?.steps.map(({ index, label }) => [index, label]));
  const ended = (outcome: string) =>
    events.flatMap((event) => (event.type === "step-done" && event.outcome === outcome ? [labels.get(event.step) ?? "?"] : []));
  return { cached: ended("cached"), done: ended("done"), failed: ended("failed") };
}

export function fillBusybox(root: string): void {
  for (const dir of ["bin", "etc", "tmp", "root", "proc", "sys", "dev"]) mkdirSync(join(root, dir));
  chmodSync(join(root, "tmp"), 0o1777);
  copyFileSync("/bin/busybox", join(root, "bin/busybox"));
  for (const applet of APPLETS) symlinkSync("busybox", join(root, "bin", applet));
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\nappgroup:x:1001:\nother:x:1002:\n");
}
