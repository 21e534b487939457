import { posix } from "node:path";
import type { Digest, LayerRef } from "@plimsoll/core";
import { type CacheMounts, cacheMountKey, type HeldCacheMount } from "../cache/cache-mounts.ts";
import { literalPattern } from "../context/pattern.ts";
import type { MountInput } from "../execute/protocol.ts";
import type { CacheMount, CopyAction, FileOrigin, RunAction, RunMount, SecretMount, SshMount } from "../plan/actions.ts";
import type { CopyContent } from "../plan/keys.ts";
import type { Origin } from "../plan/stages.ts";
import type { StepPlace } from "../plan/steps.ts";
import { problemAt } from "../problem.ts";
import type { WorkerClient } from "./worker-client.ts";

export interface RunMountsOptions {
  readonly namespaceUid: string;
  readonly appName: string | undefined;
  readonly cacheMounts: CacheMounts;
  /** By name. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly worker: WorkerClient;
  readonly signal: AbortSignal;
  readonly layersOf: (origin: Origin) => Promise<readonly LayerRef[]> | readonly LayerRef[];
  readonly contextContents: (step: StepPlace, sources: readonly string[]) => Promise<readonly CopyContent[]>;
  /** The layer that a COPY of this onto nothing makes; undefined where that is no file at all. */
  readonly contextLayer: (action: CopyAction, contents: readonly CopyContent[]) => Promise<Digest | undefined>;
}

/** Where the files of one mount come from. */
type MountSource =
  | { readonly kind: "nothing" }
  | { readonly kind: "layers"; readonly layers: readonly Digest[] }
  | { readonly kind: "context"; readonly contents: readonly CopyContent[] };

/** What a command's mounts stand on, and what names it in the command's key. */
export interface MountSources {
  readonly sources: readonly MountSource[];
  /** For runKey: whole stages and images by their layers, the context by the content that is taken. */
  readonly inputs: readonly string[];
}

/** The mounts of RUN: what names them in a key, and what the worker is given to make them. */
export class RunMounts {
  private readonly options: RunMountsOptions;

  constructor(options: RunMountsOptions) {
    this.options = options;
  }

  /** Waits for the stages that are mounted. Throws BuildProblem for a source that the context does not have. */
  async sources(step: StepPlace, action: RunAction): Promise<MountSources> {
    const sources = await Promise.all(action.mounts.map((mount) => this.sourceOf(step, mount)));
    return { sources, inputs: sources.map(inputOf) };
  }

  /**
   * The inputs by the content that is really mounted, so that a stage that ran again with an equal result changes nothing; undefined
   * where `sources` says it all. The worker has to read it.
   */
  async contents(action: RunAction, { sources, inputs }: MountSources): Promise<readonly string[] | undefined> {
    const { worker } = this.options;
    const isBound = (index: number) => action.mounts[index]?.type === "bind" && sources[index]?.kind === "layers";
    if (!inputs.some((_, index) => isBound(index))) return undefined;
    return Promise.all(
      action.mounts.map(async (mount, index) => {
        const source = sources[index];
        if (mount.type !== "bind" || source?.kind !== "layers") return inputs[index] ?? "";
        const { contents } = await worker.request(
          { type: "inspect", sources: [literalPattern(mount.source)], origin: source.layers },
          () => undefined,
        );
        return JSON.stringify(["content", contents]);
      }),
    );
  }

  /** What the worker needs. Directories of caches are held until disposal. Throws BuildProblem for a required secret that is not there. */
  async prepare(
    step: StepPlace,
    action: RunAction,
    { sources }: MountSources,
  ): Promise<AsyncDisposable & { readonly inputs: readonly MountInput[] }> {
    const secrets = action.mounts.map((mount) =>
      mount.type === "secret" || mount.type === "ssh" ? this.secretOf(step, mount) : undefined,
    );
    const held = await this.holdCaches(action, sources);
    const release = () => {
      for (const one of held.values()) one.release();
    };
    try {
      const inputs = await Promise.all(
        action.mounts.map(async (mount, index): Promise<MountInput> => {
          const source = sources[index];
          if (mount.type === "secret" || mount.type === "ssh") return { kind: "secret", value: secrets[index] ?? null };
          if (mount.type === "cache") return { kind: "directory", path: held.get(keyOf(mount, source))?.directory ?? "" };
          if (mount.type !== "bind") return { kind: "nothing" };
          if (source?.kind !== "context") return { kind: "layers", layers: source?.kind === "layers" ? source.layers : [] };
          const layer = await this.options.contextLayer(ontoNothing(mount.source, source.contents), source.contents);
          return { kind: "layers", layers: layer === undefined ? [] : [layer] };
        }),
      );
      return { inputs, [Symbol.asyncDispose]: async () => release() };
    } catch (error) {
      release();
      throw error;
    }
  }

  private async sourceOf(step: StepPlace, mount: RunMount): Promise<MountSource> {
    const from: FileOrigin | undefined = mount.type === "bind" || mount.type === "cache" ? mount.from : undefined;
    if (from === undefined) return { kind: "nothing" };
    if (from.kind !== "context") return { kind: "layers", layers: (await this.options.layersOf(from)).map(({ digest }) => digest) };
    const source = mount.type === "bind" || mount.type === "cache" ? mount.source : "/";
    return { kind: "context", contents: await this.options.contextContents(step, [literalPattern(source)]) };
  }

  private secretOf(step: StepPlace, mount: SecretMount | SshMount): string | undefined {
    const { secrets, appName = "APP" } = this.options;
    const spelled = mount.type === "ssh" ? sshSpellings(mount.id) : spellings(mount.id);
    const name = spelled.find((one) => Object.hasOwn(secrets, one));
    if (name !== undefined) return Buffer.from(secrets[name] ?? "").toString("base64");
    if (!mount.required) return undefined;
    const what = `${mount.type === "ssh" ? "SSH key" : "secret"} ${mount.id.slice(0, 100)}`;
    const command = `plim secrets set ${appName} ${spelled.at(-1)?.slice(0, 100)} --from FILE`;
    throw problemAt(
      step.at,
      "context",
      `${step.label} needs the ${what}, which the app does not have. Set it, then push again: \`${command}\``,
    );
  }

  /** In the keys' order, so that two builds never wait for each other; a directory that is mounted twice is held once. */
  private async holdCaches(action: RunAction, sources: readonly MountSource[]): Promise<ReadonlyMap<string, HeldCacheMount>> {
    const { cacheMounts, namespaceUid, signal } = this.options;
    const wanted = new Map<string, { readonly mount: CacheMount; readonly source: MountSource | undefined }>();
    for (const [index, mount] of action.mounts.entries()) {
      if (mount.type !== "cache") continue;
      const key = keyOf(mount, sources[index]);
      const before = wanted.get(key);
      if (before === undefined || strictness(mount) > strictness(before.mount)) wanted.set(key, { mount, source: sources[index] });
    }
    const held = new Map<string, HeldCacheMount>();
    try {
      for (const [key, { mount, source }] of [...wanted].sort(([a], [b]) => (a < b ? -1 : 1))) {
        held.set(key, await cacheMounts.acquire({ namespaceUid, key }, mount, signal, this.fillerOf(mount, source)));
      }
      return held;
    } catch (error) {
      for (const one of held.values()) one.release();
      throw error;
    }
  }

  private fillerOf(mount: CacheMount, source: MountSource | undefined): ((directory: string) => Promise<void>) | undefined {
    if (source === undefined || source.kind === "nothing") return undefined;
    return async (directory) => {
      const origin =
        source.kind === "layers"
          ? source.layers
          : [await this.options.contextLayer(ontoNothing(mount.source, source.contents), source.contents)].filter(
              (one) => one !== undefined,
            );
      await this.options.worker.request({ type: "fill", directory, origin, source: mount.source }, () => undefined);
    };
  }
}

function keyOf(mount: CacheMount, source: MountSource | undefined): string {
  if (source?.kind === "context")
    return cacheMountKey(
      mount,
      source.contents.map(({ content }) => `context:${content}`),
    );
  return cacheMountKey(mount, source?.kind === "layers" ? source.layers : undefined);
}

/** Names that an id may have among an app's secrets, which are spelled like variables: `npm-token` also finds NPM_TOKEN. */
function spellings(id: string): readonly string[] {
  const plain = id.replaceAll(/[^A-Za-z0-9_]/g, "_");
  return [id, plain, plain.toUpperCase()];
}

/** `--mount=type=ssh` is the secret SSH_KEY, `--mount=type=ssh,id=deploy` is SSH_KEY_DEPLOY. */
export function sshSpellings(id: string): readonly string[] {
  return id === "default" ? ["SSH_KEY"] : spellings(`SSH_KEY_${id}`).slice(-1);
}

function strictness({ sharing }: CacheMount): number {
  return { shared: 0, private: 1, locked: 2 }[sharing];
}

function inputOf(source: MountSource): string {
  if (source.kind === "nothing") return "";
  return JSON.stringify(source.kind === "layers" ? ["layers", source.layers] : ["content", source.contents]);
}

/** A COPY that puts one source of the context where it lies in the context, and nothing besides. */
function ontoNothing(source: string, contents: readonly CopyContent[]): CopyAction {
  const isDirectory = contents.some(({ kind }) => kind === "directory");
  const destination = isDirectory && source !== "/" ? `${posix.normalize(source).replace(/\/+$/, "")}/` : source;
  const nothing = { inline: [], exclude: [], parents: false, link: true };
  return { type: "copy", from: { kind: "context" }, sources: [literalPattern(source)], destination, ...nothing };
}
