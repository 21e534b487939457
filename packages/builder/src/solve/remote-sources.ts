import type { Digest } from "@plimsoll/core";
import type { StepResult } from "../cache/step-cache.ts";
import type { GitKeys, WorkerResult } from "../execute/protocol.ts";
import type { AddAction, AddSource } from "../plan/actions.ts";
import { type CopyContent, fetchKey, type StepKey } from "../plan/keys.ts";
import type { StepPlace } from "../plan/steps.ts";
import { problemAt } from "../problem.ts";
import { sshSpellings } from "./run-mounts.ts";
import type { WorkerClient } from "./worker-client.ts";

/** A source that is fetched: what names its content, and the layer that holds it, had when it is needed. */
export interface RemoteSource {
  readonly content: CopyContent;
  layer(): Promise<Digest | null>;
}

export interface RemoteSourcesOptions {
  readonly worker: WorkerClient;
  /** The result under the key, made once. */
  readonly once: (key: StepKey, make: () => Promise<WorkerResult>) => Promise<Pick<WorkerResult, "layer">>;
  readonly lookUp: (key: StepKey) => StepResult | undefined;
  readonly remember: (key: StepKey, result: StepResult) => void;
  /** Keeps a layer for as long as the build runs. */
  readonly hold: (layer: WorkerResult["layer"]) => boolean;
  /** Of the app, by name. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** The SSH key that BuildKit takes for ADD: the one of a mount without an id. */
const KEY_ID = "default";
const KNOWN_HOSTS = "SSH_KNOWN_HOSTS";
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * What ADD fetches, through the build's own network. A checksum or a commit's id is asked of nobody: with it a cached step needs no server.
 * Without, a URL is asked for by each build and a branch or tag looked up, for what they stand for may have changed; what a server calls by
 * the name (ETag) that it had before is not downloaded again.
 */
export class RemoteSources {
  private readonly options: RemoteSourcesOptions;

  constructor(options: RemoteSourcesOptions) {
    this.options = options;
  }

  /** Throws BuildProblem for what is not fetched at all, StepFailed for what cannot be. */
  async resolve(step: StepPlace, source: Exclude<AddSource, { kind: "local" }>, action: AddAction): Promise<RemoteSource> {
    return source.kind === "url" ? this.url(source, action) : this.git(step, source, action);
  }

  private async url({ url, name }: AddSource & { kind: "url" }, { checksum }: AddAction): Promise<RemoteSource> {
    const { worker, once, lookUp, remember, hold } = this.options;
    const network = await worker.network();
    if (checksum !== undefined) {
      const fetch = () => worker.request({ type: "fetch-url", url, checksum, network }, () => undefined);
      const layer = async () => (await once(fetchKey({ url, checksum }), fetch)).layer?.digest ?? null;
      return { content: { name, kind: "url", content: `${url} ${checksum}` }, layer };
    }
    const key = fetchKey({ url });
    const known = lookUp(key);
    const tag = known?.etag === undefined ? {} : { etag: known.etag };
    const fetched = await worker.request({ type: "fetch-url", url, network, ...tag }, () => undefined);
    const layer = fetched.unchanged === true && known !== undefined ? known.layer : fetched.layer;
    hold(layer);
    if (fetched.etag !== undefined) remember(key, { layer, etag: fetched.etag });
    const digest = layer?.digest ?? null;
    return { content: { name, kind: "url", content: digest ?? "" }, layer: () => Promise.resolve(digest) };
  }

  private async git(step: StepPlace, source: AddSource & { kind: "git" }, { keepGitDir, checksum }: AddAction): Promise<RemoteSource> {
    const { worker, once } = this.options;
    const { remote, ref, subdir } = source;
    const network = await worker.network();
    const keys = () => (isOverSsh(remote) ? { keys: this.keys(step) } : {});
    const asked = COMMIT.test(ref) ? ref : undefined;
    const commit = asked ?? (await worker.request({ type: "resolve-git", remote, ref, network, ...keys() }, () => undefined)).commit ?? "";
    if (checksum !== undefined && !commit.startsWith(checksum)) {
      const message = `${step.label}: ${ref === "" ? "the default branch" : ref} is at ${commit}, not at ${checksum}; if the change is meant, write that one.`;
      throw problemAt(step.at, "context", message);
    }
    const wanted = { remote, commit, subdir, keepGitDir };
    const fetch = () => worker.request({ type: "fetch-git", ...wanted, network, ...keys() }, () => undefined);
    return {
      content: { name: "", kind: "git", content: `${commit} ${subdir}` },
      layer: async () => (await once(fetchKey(wanted), fetch)).layer?.digest ?? null,
    };
  }

  private keys(step: StepPlace): GitKeys {
    const { secrets } = this.options;
    const name = sshSpellings(KEY_ID).find((one) => Object.hasOwn(secrets, one));
    if (name === undefined) {
      const way = `make a deploy key (ssh-keygen -t ed25519 -N "" -f deploy-key), add deploy-key.pub to the repository, set it (plim secrets set APP ${sshSpellings(KEY_ID).at(-1)} < deploy-key) and push again`;
      throw problemAt(step.at, "context", `${step.label} fetches over SSH, and the app has no key: ${way}; or write its https:// address.`);
    }
    const knownHosts = Object.hasOwn(secrets, KNOWN_HOSTS) ? { knownHosts: secrets[KNOWN_HOSTS] ?? "" } : {};
    return { id: KEY_ID, key: Buffer.from(secrets[name] ?? "").toString("base64"), ...knownHosts };
  }
}

function isOverSsh(remote: string): boolean {
  return !/^(?:https?|git):\/\//i.test(remote);
}
