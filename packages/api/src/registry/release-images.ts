import { createHash } from "node:crypto";
import { once } from "node:events";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { createGunzip } from "node:zlib";
import { AppError, type Digest, formatBytes, type ImageConfig, isDigest, type RegistryImage, type Resource } from "@plimsoll/core";
import { type Database, PLATFORM } from "@plimsoll/db";
import { hostsWith } from "../agent/hosts-with.ts";
import { Turns } from "../http/turns.ts";
import type { StreamBroker } from "../streams/broker.ts";
import { absentRelease } from "./absent-release.ts";
import type { Budgets } from "./budgets.ts";
import type { RegistryFiles } from "./files.ts";
import { appOf } from "./place.ts";
import type { RepositoryName } from "./repository.ts";
import type { RegistryStore } from "./store.ts";

const MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG = "application/vnd.docker.container.image.v1+json";
const LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/** Releases of an app that stay, beside the one that serves and those under way (controllers, plan-rollout.ts). */
const RELEASES_KEPT = 10;
/** Packing takes a host's cpu: few at a time, and of one namespace one. */
const AT_ONCE = 3;
const WAITING = 40;
/** Asking git for tags takes a program. */
const GIT_TAGS_FRESH_MS = 5_000;
const GIT_TAGS_KNOWN = 500;
const TIMEOUT_MS = 20 * 60_000;

/** Where releases, their layers and the tags of their commits are. */
export interface ReleaseSources {
  readonly db: Database;
  readonly streams: StreamBroker;
  readonly git?: {
    listRefs(
      appUid: string,
    ): Promise<{ readonly refs: readonly { readonly kind: string; readonly name: string; readonly commit: string }[] }>;
  };
}

interface GitTag {
  readonly name: string;
  readonly commit: string;
}

/** Where they are brought. */
export interface ReleaseTarget {
  readonly store: RegistryStore;
  readonly files: RegistryFiles;
  readonly budgets: Budgets;
}

/** A tag that nobody has pushed: the number of a release, the commit it was built of, or a git tag on that commit. */
export interface NamedRelease {
  readonly tag: string;
  readonly kind: "release" | "commit" | "git-tag";
  readonly release: Resource<"Release">;
}

/**
 * Images of releases in the registry. What the platform builds is not pushed: it lies on its host as layers, and runs from there. Only when
 * somebody asks the registry for it by one of its tags is it brought there, once, and is then found by its digest in the release's status.
 */
export class ReleaseImages {
  readonly #sources: ReleaseSources;
  readonly #target: ReleaseTarget;
  readonly #bringing = new Map<string, Promise<string>>();
  readonly #turns = new Turns(AT_ONCE, 10 * WAITING);
  readonly #turnsOfNamespaces = new Turns(1, WAITING);
  readonly #gitTagsKnown = new Map<string, { readonly atMs: number; readonly tags: Promise<readonly GitTag[]> }>();

  constructor(sources: ReleaseSources, target: ReleaseTarget) {
    this.#sources = sources;
    this.#target = target;
  }

  /** The tags of the releases that an app can be rolled back to, newest first; a commit or git tag names the newest release of its commit. */
  async named(app: Resource<"App">): Promise<readonly NamedRelease[]> {
    const releases = await this.#kept(app);
    const numbers = releases.map((release) => ({ tag: `v${release.spec.number}`, kind: "release" as const, release }));
    const byCommit = new Map<string, Resource<"Release">>();
    for (const release of releases) {
      const { source } = release.spec;
      if (source?.kind === "git" && !byCommit.has(source.commit)) byCommit.set(source.commit, release);
    }
    const commits = [...byCommit].map(([tag, release]) => ({ tag, kind: "commit" as const, release }));
    const taken = new Set([...numbers, ...commits].map(({ tag }) => tag));
    const gitTags = (byCommit.size === 0 ? [] : await this.#gitTags(app)).flatMap(({ name, commit }) => {
      const release = byCommit.get(commit);
      return release === undefined || taken.has(name) ? [] : [{ tag: name, kind: "git-tag" as const, release }];
    });
    return [...numbers, ...commits, ...gitTags];
  }

  /**
   * The digest of the manifest that a release's tag names, brought to the registry where it is not there; undefined for what is no tag of a
   * release. AppError `not_found` for a release or commit that is none or none any more.
   */
  async resolve(repository: RepositoryName, tag: string): Promise<string | undefined> {
    const app = await appOf(this.#sources.db, repository);
    if (app === undefined) return undefined;
    const named = await this.named(app);
    const release = named.find((one) => one.tag === tag)?.release;
    if (release !== undefined) return this.#ensure(repository, release);
    const absent = absentRelease(
      app.metadata.name,
      tag,
      named.map((one) => one.release.spec.number),
    );
    if (absent !== undefined) throw new AppError("not_found", absent);
    return undefined;
  }

  /** Digests of manifests that the kept releases of a repository's app name. */
  async manifestsOf(app: Resource<"App">): Promise<ReadonlySet<string>> {
    const manifests = (await this.#kept(app)).map(({ status }) => status.registry?.manifest);
    return new Set(manifests.filter((manifest) => manifest !== undefined));
  }

  /** The newest ones, and what serves or is on its way however old it is: others are removed when a rollout ends (plan-rollout.ts). */
  async #kept(app: Resource<"App">): Promise<readonly Resource<"Release">[]> {
    return this.#sources.db.objects(PLATFORM).list("Release", { ownerUid: app.metadata.uid, newestFirst: true, limit: 2 * RELEASES_KEPT });
  }

  async #gitTags(app: Resource<"App">): Promise<readonly GitTag[]> {
    const { git } = this.#sources;
    if (git === undefined) return [];
    const { uid } = app.metadata;
    const known = this.#gitTagsKnown.get(uid);
    if (known !== undefined && Date.now() - known.atMs < GIT_TAGS_FRESH_MS) return known.tags;
    const tags = git.listRefs(uid).then(({ refs }) => refs.filter(({ kind }) => kind === "tag"));
    if (this.#gitTagsKnown.size >= GIT_TAGS_KNOWN) this.#gitTagsKnown.clear();
    this.#gitTagsKnown.set(uid, { atMs: Date.now(), tags });
    tags.catch(() => this.#gitTagsKnown.delete(uid));
    return tags;
  }

  async #ensure(repository: RepositoryName, release: Resource<"Release">): Promise<string> {
    const known = release.status.registry?.manifest;
    if (known !== undefined && (await this.#target.files.hasManifest(repository, known))) return known;
    const { uid } = release.metadata;
    const under = this.#bringing.get(uid);
    if (under !== undefined) return under;
    const mine = this.#turnsOfNamespaces
      .run(`${repository.team}/${repository.namespace}`, () => this.#turns.run("all", () => this.#bring(repository, release)))
      .finally(() => this.#bringing.delete(uid));
    this.#bringing.set(uid, mine);
    return mine;
  }

  async #bring(repository: RepositoryName, release: Resource<"Release">): Promise<string> {
    const { store, budgets } = this.#target;
    const { image } = release.spec;
    const known = await this.#knownLayers(release);
    const layers: RegistryImage["layers"][number][] = [];
    for (const { digest, sizeBytes } of image.layers) {
      const before = known.get(digest);
      if (before !== undefined && (await store.hasBlob(repository, before.blob))) {
        await this.#target.files.touch(repository, before.blob);
        layers.push(before);
        continue;
      }
      await budgets.admit(repository, sizeBytes, `Layer ${digest.slice(0, 19)}… has ${formatBytes(sizeBytes)}.`);
      layers.push(await this.#bringLayer(repository, release, digest));
    }
    const config = Buffer.from(JSON.stringify(configOf(image.config, layers)));
    const kept = await store.putBlob(repository, Readable.from([config]));
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: CONFIG, digest: kept.digest, size: kept.sizeBytes },
      layers: layers.map(({ blob, sizeBytes }) => ({ mediaType: LAYER, digest: blob, size: sizeBytes })),
    };
    const digest = asDigest(await store.putManifest(repository, MANIFEST, Buffer.from(JSON.stringify(manifest))));
    await this.#sources.db.write({ scope: PLATFORM }, async (tx) => {
      const found = await tx.objects.find("Release", release.metadata.uid);
      if (found === undefined) throw new AppError("not_found", "The release was removed meanwhile.");
      const locked = await tx.objects.lock("Release", release.metadata.uid);
      await tx.objects.updateStatus(locked, { ...locked.status, registry: { manifest: digest, layers } });
    });
    return digest;
  }

  /** Layers that other releases of the app have brought before. */
  async #knownLayers(release: Resource<"Release">) {
    const { ownerUid = "" } = release.metadata;
    const siblings = await this.#sources.db.objects(PLATFORM).list("Release", { ownerUid, newestFirst: true, limit: 2 * RELEASES_KEPT });
    return new Map(siblings.flatMap(({ status }) => status.registry?.layers ?? []).map((layer) => [layer.layer, layer] as const));
  }

  /** From the host that built it, else from one that runs it; the archive is hashed on its way, packed and unpacked. */
  async #bringLayer(repository: RepositoryName, release: Resource<"Release">, layer: Digest): Promise<RegistryImage["layers"][number]> {
    const holders = await hostsWith(this.#sources.db, [release]);
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    let last: unknown;
    for (const holder of holders) {
      try {
        const stream = await this.#sources.streams.open(holder, { kind: "layer", digest: layer, form: "oci-gzip" }, signal);
        const unpacked = new Unpacked();
        const archive = Readable.from(unpacked.watch(Readable.fromWeb(stream as ReadableStream<Uint8Array>)));
        const { digest, sizeBytes } = await this.#target.store.putBlob(repository, archive);
        return { layer, diffId: asDigest(await unpacked.digest()), blob: asDigest(digest), sizeBytes };
      } catch (error) {
        last = error;
      }
    }
    const names = holders.map(({ name }) => name).join(", ") || "none that is reachable";
    const message = `The image of release v${release.spec.number} is on no host that answers (asked: ${names}); try again, or deploy it anew.`;
    throw new AppError("unavailable", message, { cause: last, retry: { afterMs: 5_000 } });
  }
}

/** The digest of what a gzip stream unpacks to, of a stream that goes elsewhere. */
class Unpacked {
  readonly #gunzip = createGunzip();
  readonly #hash = createHash("sha256");
  readonly #end: Promise<unknown>;

  constructor() {
    this.#gunzip.on("data", (chunk: Buffer) => this.#hash.update(chunk));
    this.#end = once(this.#gunzip, "end");
    this.#end.catch(() => undefined);
    this.#gunzip.on("error", () => undefined);
  }

  async *watch(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      if (this.#gunzip.errored !== null) throw this.#gunzip.errored;
      if (!this.#gunzip.write(chunk)) await Promise.race([once(this.#gunzip, "drain"), this.#end]);
      yield chunk;
    }
    this.#gunzip.end();
    // What is no whole gzip archive ends the upload too: the host did not have the layer, or it stopped in the middle.
    await this.#end;
  }

  async digest(): Promise<string> {
    await this.#end;
    return `sha256:${this.#hash.digest("hex")}`;
  }
}

/** The image config in Docker's form, which knows HEALTHCHECK, SHELL and ONBUILD. Without times: equal images have equal digests. Pure. */
function configOf(config: ImageConfig, layers: RegistryImage["layers"]): object {
  const { healthcheck } = config;
  const set = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));
  return {
    architecture: config.architecture,
    os: config.os,
    ...(config.author === undefined ? {} : { author: config.author }),
    config: {
      Env: config.env,
      ...(config.entrypoint.length === 0 ? {} : { Entrypoint: config.entrypoint }),
      ...(config.cmd.length === 0 ? {} : { Cmd: config.cmd }),
      User: config.user,
      WorkingDir: config.workingDir,
      Labels: config.labels,
      ...(config.exposedPorts.length === 0 ? {} : { ExposedPorts: set(config.exposedPorts) }),
      ...(config.volumes === undefined ? {} : { Volumes: set(config.volumes) }),
      ...(config.stopSignal === undefined ? {} : { StopSignal: config.stopSignal }),
      ...(config.shell === undefined ? {} : { Shell: config.shell }),
      ...(config.onBuild === undefined ? {} : { OnBuild: config.onBuild }),
      ...(healthcheck === undefined
        ? {}
        : {
            Healthcheck: {
              Test: healthcheck.test,
              Interval: healthcheck.intervalNs,
              Timeout: healthcheck.timeoutNs,
              StartPeriod: healthcheck.startPeriodNs,
              StartInterval: healthcheck.startIntervalNs,
              Retries: healthcheck.retries,
            },
          }),
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    ...(config.history === undefined
      ? {}
      : {
          history: config.history.map(({ createdBy, emptyLayer }) => ({
            created_by: createdBy,
            ...(emptyLayer === undefined ? {} : { empty_layer: true }),
          })),
        }),
  };
}

function asDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new AppError("internal", `${text} is no digest.`);
}
