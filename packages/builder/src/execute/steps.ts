import { type BigIntStats, chmodSync, chownSync, readdirSync, statSync } from "node:fs";
import { type LayerContents, LayerStore, type SandboxMount, type SandboxResult } from "@plimsoll/containers";
import { AppError, type Digest, type LayerRef } from "@plimsoll/core";
import { type CgroupDriver, cgroupDriver, RootedTree } from "@plimsoll/host";
import { FirstSeen } from "../cache/first-seen.ts";
import { GitObjects } from "../context/git-objects.ts";
import { IgnoreRules } from "../context/ignore.ts";
import { literalPattern } from "../context/pattern.ts";
import { ContextTree } from "../context/tree.ts";
import type { RunAction, SshMount } from "../plan/actions.ts";
import type { CopyContent } from "../plan/keys.ts";
import { addSources } from "./add.ts";
import { trustCertificates } from "./certificates.ts";
import { copyContext, copyInline } from "./copy-context.ts";
import { copyFromTree } from "./copy-layers.ts";
import { Destination } from "./destination.ts";
import { type DiskAccount, DiskBudget, DiskTally, OutOfDisk } from "./disk-budget.ts";
import { Fetches } from "./fetches.ts";
import { CommandOutput, type OutputBudget } from "./output.ts";
import { mountLayers } from "./overlay.ts";
import { lookUpOwner } from "./owners.ts";
import { Placement } from "./place.ts";
import type { ContextSource, MountInput, WorkerInit, WorkerRequest, WorkerResult } from "./protocol.ts";
import { Reuse } from "./reuse.ts";
import { metFileLimit, runWithinDisk } from "./run-within-disk.ts";
import { startSshAgent } from "./ssh-agent.ts";

/** A command that ended other than with 0. */
export class CommandFailed extends Error {
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  /** How often it was refused another process. */
  readonly startsRefused: number;
  readonly logTail: readonly string[];

  constructor({ exitCode, outOfMemory, startsRefused }: SandboxResult, logTail: readonly string[]) {
    super(`exit code ${exitCode}`);
    this.exitCode = exitCode;
    this.outOfMemory = outOfMemory;
    this.startsRefused = startsRefused;
    this.logTail = logTail;
  }
}

/** A command that the image gives no way to start: its program, directory or user is not there. */
export class CommandNotStarted extends Error {}

/** What a command has besides its layers, until disposal. */
interface Brought extends AsyncDisposable {
  readonly mounts: readonly SandboxMount[];
  readonly env: readonly string[];
  /** Not to be shown in its output. */
  readonly secrets: readonly Buffer[];
}

interface Sealing {
  /** What is to be done to the upper directory once nothing stands on it any more. */
  readonly after?: (upperDir: string) => void;
  /** What is known of its files already. */
  readonly contents?: LayerContents | undefined;
}

export interface StepExecutorOptions {
  readonly init: WorkerInit;
  /** An own tmpfs in the private mount namespace. */
  readonly scratchDir: string;
  readonly onOutput: (request: number, stream: "stdout" | "stderr", text: string) => void;
}

/**
 * Executes the steps of one build: each on a fresh upper directory over its parents' layers, sealed into the store when it is done,
 * discarded when it fails. Only in a worker: private mount namespace, the build's cgroup. Requests may overlap.
 */
export class StepExecutor implements AsyncDisposable {
  private readonly options: StepExecutorOptions;
  private readonly layers: LayerStore;
  private readonly cgroups: CgroupDriver;
  private readonly objects: GitObjects;
  private readonly budget: OutputBudget;
  private readonly disk: DiskBudget;
  private readonly fetches: Fetches;

  constructor(options: StepExecutorOptions) {
    const { layout, repository, logBytes } = options.init;
    this.options = options;
    this.layers = new LayerStore(layout.layersDir);
    this.cgroups = cgroupDriver(layout);
    this.objects = new GitObjects(repository);
    this.fetches = new Fetches({ ...options, layers: this.layers });
    this.disk = new DiskBudget(options.init.disk);
    this.budget = { remainingBytes: logBytes, limitBytes: logBytes };
  }

  /** Throws CommandFailed, and what copying throws. */
  async execute(request: WorkerRequest): Promise<WorkerResult> {
    switch (request.type) {
      case "run":
        return { layer: await this.onFreshLayer((upper, account) => this.run(request, upper, account)) };
      case "workdir": {
        const { path, user } = request.action;
        const layer = await this.onTree(request.parents, async (tree, account) => {
          const owner = user === "" ? undefined : lookUpOwner(tree, user, this.tellerOf(request));
          const destination = new Destination(tree, { owner, spend: spender(account) });
          destination.ensureDirectory(destination.resolve(path));
          destination.finish();
        });
        return { layer };
      }
      case "copy-context":
        return { layer: await this.copyOfContext(request) };
      case "copy-layers": {
        let contents: readonly CopyContent[] = [];
        const layer = await this.onTree(request.parents, async (tree, account) => {
          const destination = copyDestination(tree, request.action, account, this.tellerOf(request));
          const placement = new Placement(destination, request.action.destination);
          contents = this.onOrigin(request.origin, (origin) => copyFromTree(origin, request.action, { destination, placement }));
          const firstSeen = new FirstSeen(this.options.init.firstSeenFile);
          copyInline({ ...request.context, inline: request.action.inline, firstSeen }, placement, destination);
          firstSeen.save();
          destination.finish();
        });
        return { layer, contents };
      }
      case "add":
        return { layer: await this.add(request) };
      case "fetch-url":
        return this.fetchUrl(request);
      case "resolve-git":
        return { layer: null, commit: await this.fetches.commitOf(request) };
      case "fetch-git":
        return { layer: await this.onTree([], (tree, account) => this.fetches.git(request, tree, account)) };
      case "inspect":
        return { layer: null, contents: this.onOrigin(request.origin, (origin) => copyFromTree(origin, request)) };
      case "fill":
        this.onOrigin(request.origin, (origin) => fillDirectory(origin, request.source, request.directory));
        return { layer: null };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.objects.close();
  }

  private async run(
    { id, action, parents, network, mounts }: WorkerRequest & { readonly type: "run" },
    upper: { readonly upperDir: string; readonly workDir: string },
    account: DiskAccount,
  ): Promise<void> {
    const { init, onOutput } = this.options;
    await using brought = await this.bring(action, mounts);
    const output = new CommandOutput(this.budget, (stream, text) => onOutput(id, stream, text), brought.secrets);
    const trusted = trustCertificates(init.certificates);
    const sandbox = {
      layout: init.layout,
      cgroups: this.cgroups,
      id: `${init.buildId}-${id}`,
      layers: this.dirsOf(parents),
      ...upper,
      userNamespace: init.userNamespace,
      ...(network === undefined ? {} : { networkNamespace: network.path }),
      cgroupPath: init.cgroupPath,
      ...(init.io === undefined ? {} : { io: init.io }),
      args: action.argv,
      // In this order: what the image sets itself counts.
      env: merged(trusted.env, action.proxies, action.env, brought.env),
      mounts: trusted.mounts,
      brought: brought.mounts,
      user: action.user,
      cwd: action.cwd,
      resolver: { nameservers: network?.nameservers ?? [], search: [], options: [] },
      onOutput: (stream: "stdout" | "stderr", chunk: Buffer) => output.add(stream, chunk),
    };
    const result = await runWithinDisk(sandbox, { account, limit: this.disk.limit })
      .catch((error: unknown) => {
        throw error instanceof AppError && error.code === "invalid" ? new CommandNotStarted(error.message) : error;
      })
      .finally(() => output.end());
    if (metFileLimit(result.exitCode, output.tail())) throw new OutOfDisk("bytes", this.disk.limit.bytes, "a single file", output.tail());
    if (result.exitCode !== 0) throw new CommandFailed(result, output.tail());
  }

  /** What a command brings along, by its action and what the mounts are made of. What it writes into bind mounts goes with disposal. */
  private async bring(action: RunAction, inputs: readonly MountInput[]): Promise<Brought> {
    await using stack = new AsyncDisposableStack();
    const temporary = () => {
      const made = this.layers.temporary();
      stack.defer(() => made.discard());
      return made;
    };
    const mounts: SandboxMount[] = [];
    const env: string[] = [];
    const secrets: Buffer[] = [];
    for (const [index, mount] of action.mounts.entries()) {
      const input = inputs[index] ?? { kind: "nothing" };
      const destination = "target" in mount ? mount.target : undefined;
      if (mount.type === "tmpfs") {
        mounts.push({ type: "tmpfs", destination: mount.target, ...(mount.sizeBytes === undefined ? {} : { sizeBytes: mount.sizeBytes }) });
      } else if (mount.type === "bind" && input.kind === "layers") {
        // Nothing at all is an empty directory, which an overlay can stand on.
        const layers = input.layers.length === 0 ? [temporary().upperDir] : this.dirsOf(input.layers);
        const upper = mount.readOnly ? {} : { upper: temporary() };
        mounts.push({ type: "tree", layers, ...upper, source: mount.source, destination: mount.target });
      } else if (mount.type === "cache" && input.kind === "directory") {
        // What it began with was taken from the source already.
        const source = mount.from === undefined ? mount.source : "/";
        mounts.push({ type: "directory", root: input.path, source, destination: mount.target, readOnly: mount.readOnly });
      } else if (mount.type === "secret" && input.kind === "secret") {
        if (input.value === null) continue;
        const content = Buffer.from(input.value, "base64");
        secrets.push(content);
        const { mode, uid, gid } = mount;
        if (destination !== undefined) mounts.push({ type: "file", content, destination, mode, uid, gid });
        if (mount.env !== undefined) env.push(`${mount.env}=${content.toString("utf8")}`);
      } else if (mount.type === "ssh" && input.kind === "secret") {
        // As in BuildKit also where there is no key, and nothing at that path.
        if (!env.some((entry) => entry.startsWith("SSH_AUTH_SOCK="))) env.push(`SSH_AUTH_SOCK=${mount.target}`);
        if (input.value === null) continue;
        const agent = stack.use(await this.sshAgent(mount, Buffer.from(input.value, "base64")));
        mounts.push({ type: "socket", source: agent.socket, destination: mount.target });
      } else {
        throw new Error(`a mount of type ${mount.type} came without what it is made of`);
      }
    }
    for (const { path, content } of action.files) {
      mounts.push({ type: "file", content: Buffer.from(content), destination: path, mode: 0o755, uid: 0, gid: 0 });
    }
    const owned = stack.move();
    return { mounts, env, secrets, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  }

  private sshAgent({ id, mode, uid, gid }: SshMount, key: Buffer): ReturnType<typeof startSshAgent> {
    const { uidBase } = this.options.init.userNamespace;
    const owner = { agentId: uidBase, uid: uidBase + uid, gid: uidBase + gid, mode };
    return startSshAgent({ scratchDir: this.options.scratchDir, id, key, ...owner });
  }

  /** Says something in the step's log; undefined for a step that stands on nothing. */
  private tellerOf({ id, parents }: WorkerRequest & { readonly parents: readonly Digest[] }): ((sentence: string) => void) | undefined {
    return parents.length === 0 ? undefined : (sentence) => this.options.onOutput(id, "stderr", `${sentence}\n`);
  }

  private async add(request: WorkerRequest & { readonly type: "add" }): Promise<LayerRef | null> {
    const { action, parents, context, fetched } = request;
    const scratch = this.layers.temporary();
    const firstSeen = new FirstSeen(this.options.init.firstSeenFile);
    try {
      const layer = await this.onTree(parents, async (tree, account) => {
        const tell = this.tellerOf(request);
        const destination = copyDestination(tree, action, account, tell);
        const adding = {
          action,
          objects: this.objects,
          tree: this.contextTree(context),
          firstSeen,
          directory: context.directory,
          committedAt: context.committedAt,
          scratchDir: scratch.dir,
          fetched: fetched.map((digest) => (digest === null ? undefined : this.dirsOf([digest])[0])),
          owner: action.chown === undefined ? undefined : lookUpOwner(tree, action.chown, () => undefined),
          spend: spender(account),
        };
        await addSources(adding, tree, destination);
        destination.finish();
      });
      firstSeen.save();
      return layer;
    } finally {
      await scratch.discard();
    }
  }

  private async fetchUrl(request: WorkerRequest & { readonly type: "fetch-url" }): Promise<WorkerResult> {
    let fetched: Pick<WorkerResult, "etag" | "unchanged"> = {};
    const layer = await this.onFreshLayer(async ({ upperDir }, account) => {
      fetched = await this.fetches.url(request, upperDir, account);
    });
    return { ...fetched, layer };
  }

  private contextTree({ rootId, ignore }: ContextSource): ContextTree {
    return new ContextTree(this.objects, rootId, ignore === undefined ? undefined : IgnoreRules.parse(ignore.text, ignore.file));
  }

  private async copyOfContext(request: WorkerRequest & { readonly type: "copy-context" }): Promise<LayerRef | null> {
    const { action, context, parents } = request;
    using reuse = this.reuseOf(request);
    const layer = await this.onTree(
      parents,
      async (tree, account) => {
        const { directory, committedAt } = context;
        const destination = copyDestination(tree, action, account, this.tellerOf(request));
        const firstSeen = new FirstSeen(this.options.init.firstSeenFile);
        const from = { objects: this.objects, tree: this.contextTree(context), taking: action, inline: action.inline };
        const to = { target: action.destination, firstSeen, directory, committedAt };
        await copyContext({ ...from, ...to, ...(reuse === undefined ? {} : { reuse }) }, destination);
        firstSeen.save();
        destination.finish();
      },
      { after: (upperDir) => reuse?.link(upperDir), contents: reuse },
    );
    if (layer !== null) reuse?.save(layer.digest);
    return layer;
  }

  private reuseOf({ reuse }: WorkerRequest & { readonly type: "copy-context" }): Reuse | undefined {
    if (reuse === undefined) return undefined;
    const { recordFile, layer } = reuse;
    return new Reuse({ recordFile, ...(layer === undefined ? {} : { previous: { layer, directory: this.layers.dirOf(layer) } }) });
  }

  private onOrigin<T>(origin: readonly Digest[], body: (tree: RootedTree) => T): T {
    const mounted = mountLayers(this.options.scratchDir, this.dirsOf(origin));
    try {
      using tree = new RootedTree(mounted.root);
      return body(tree);
    } finally {
      mounted.unmount();
    }
  }

  private onTree(
    parents: readonly Digest[],
    body: (tree: RootedTree, account: DiskAccount) => Promise<void>,
    { after, contents }: Sealing = {},
  ): Promise<LayerRef | null> {
    return this.onFreshLayer(async (upper, account) => {
      const mounted = mountLayers(this.options.scratchDir, this.dirsOf(parents), upper);
      try {
        using tree = new RootedTree(mounted.root);
        await body(tree, account);
      } finally {
        mounted.unmount();
      }
      after?.(upper.upperDir);
    }, contents);
  }

  /** Null where the body left nothing behind. */
  private async onFreshLayer(
    body: (upper: { upperDir: string; workDir: string }, account: DiskAccount) => Promise<void>,
    contents?: LayerContents,
  ): Promise<LayerRef | null> {
    const temporary = this.layers.temporary();
    const account = this.disk.account();
    try {
      const { upperDir, workDir } = temporary;
      const before = statSync(upperDir);
      await body({ upperDir, workDir }, account);
      const after = statSync(upperDir);
      const sameRoot = after.mode === before.mode && after.uid === before.uid && after.gid === before.gid;
      if (sameRoot && readdirSync(upperDir).length === 0) return null;
      const tally = new DiskTally();
      const onEntry = (stats: BigIntStats) => account.measured(tally.add(stats));
      const layer = await this.layers.seal(upperDir, { latestSeconds: this.options.init.sourceDateEpoch, onEntry, contents });
      account.close(true);
      return layer;
    } finally {
      account.close(false);
      await temporary.discard();
    }
  }

  private dirsOf(layers: readonly Digest[]): readonly string[] {
    return layers.map((digest) => {
      if (!this.layers.has(digest)) throw new AppError("unavailable", `The layer ${digest} was removed while it was built on; push again.`);
      return this.layers.dirOf(digest);
    });
  }
}

/** A new directory of ours gets what a source is: the contents and attributes of a directory, or one file. */
function fillDirectory(origin: RootedTree, source: string, directory: string): void {
  using tree = new RootedTree(directory);
  const destination = new Destination(tree);
  copyFromTree(origin, { sources: [literalPattern(source)] }, { destination, placement: new Placement(destination, "/") });
  destination.finish();
  const stats = origin.stat(source);
  if (!stats.isDirectory()) return;
  chownSync(directory, stats.uid, stats.gid);
  chmodSync(directory, stats.mode & 0o7777);
}

/** Environments laid over each other; of equal names the last counts. */
function merged(...layers: readonly (readonly string[])[]): readonly string[] {
  return [...new Map(layers.flat().map((entry) => [entry.split("=", 1)[0], entry])).values()];
}

function copyDestination(
  tree: RootedTree,
  { chown, chmod }: { readonly chown?: string; readonly chmod?: number | string },
  account: DiskAccount,
  tell: ((sentence: string) => void) | undefined,
): Destination {
  const owner = chown === undefined ? undefined : lookUpOwner(tree, chown, tell);
  return new Destination(tree, { owner, mode: chmod, spend: spender(account) });
}

function spender(account: DiskAccount): (bytes: number, files: number) => void {
  return (bytes, files) => account.spend(bytes, files);
}
