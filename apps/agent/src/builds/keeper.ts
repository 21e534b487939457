import type { Logger } from "@plimsoll/config";
import { type BuildAssignment, type BuildClaim, openBox } from "@plimsoll/contracts";
import { AppError, type BuildEvent, type BuildFailure, type Digest, type Image, RegistryAccess } from "@plimsoll/core";
import type { ServerApi } from "../api-client.ts";
import type { GitMirrors } from "./mirror.ts";
import { ProgressSender } from "./progress.ts";

/** What a build came to: the builder's answer, in the agent's words. */
export type BuildOutcome =
  | {
      readonly kind: "image";
      readonly image: Image;
      readonly newBytes: number;
      /** What an image's reference stood for in its registry. */
      readonly sourceDigest?: Digest;
    }
  | { readonly kind: "failure"; readonly failure: BuildFailure };

export interface BuildWork {
  readonly assignment: BuildAssignment;
  /** The mirror that holds its commit; absent for an image to be pulled. */
  readonly repository: string | undefined;
  /** The app's, for commands that ask for them by name. */
  readonly secrets: Readonly<Record<string, string>>;
  /** What the namespace has for registries. */
  readonly registries: RegistryAccess;
  readonly signal: AbortSignal;
  readonly onEvent: (event: BuildEvent) => void;
  /** The image is made: what is left to do only takes the build's processes away. */
  readonly onImage: (outcome: BuildOutcome) => void;
}

/** Runs one assigned build on this host. */
export type RunBuild = (work: BuildWork) => Promise<BuildOutcome>;

export interface BuildKeeperOptions {
  readonly api: ServerApi;
  readonly mirrors: GitMirrors;
  readonly runBuild: RunBuild;
  /** Of this host: what secrets come sealed to. */
  readonly privateKey: string;
  readonly log: Logger;
  /** Called when a build is over: its limits need not be held any more. */
  readonly onIdle: () => void;
}

/** Runs the builds that are placed on this host, each once: claimed under a lease, cancelled when it is not wanted any more. */
export class BuildKeeper {
  readonly #options: BuildKeeperOptions;
  readonly #running = new Map<string, { readonly abort: AbortController; readonly done: Promise<void> }>();

  constructor(options: BuildKeeperOptions) {
    this.#options = options;
  }

  /** Builds under way here. */
  get running(): ReadonlySet<string> {
    return new Set(this.#running.keys());
  }

  /** Starts what is new, cancels what is cancelled or gone. */
  apply(assignments: readonly BuildAssignment[]): void {
    const wanted = new Map(assignments.map((assignment) => [assignment.uid, assignment]));
    for (const [uid, { abort }] of this.#running) {
      const assignment = wanted.get(uid);
      if (assignment === undefined || assignment.cancelled) abort.abort();
    }
    for (const assignment of assignments) {
      if (assignment.cancelled || this.#running.has(assignment.uid)) continue;
      const abort = new AbortController();
      const done = this.#run(assignment, abort)
        .catch((error: unknown) => this.#options.log.error("build could not be run", { build: assignment.uid, error }))
        .finally(() => {
          this.#running.delete(assignment.uid);
          this.#options.onIdle();
        });
      this.#running.set(assignment.uid, { abort, done });
    }
  }

  async close(): Promise<void> {
    for (const { abort } of this.#running.values()) abort.abort();
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  async #run(assignment: BuildAssignment, abort: AbortController): Promise<void> {
    const { api, log } = this.#options;
    const { uid } = assignment;
    const claim = await api.claimBuild(uid).catch((error: unknown) => {
      // Somebody else has it, or it is over by now: the next desired state says so.
      if (error instanceof AppError && ["conflict", "stale_lease", "not_found"].includes(error.code)) return undefined;
      throw error;
    });
    if (claim === undefined) return;
    const progress = new ProgressSender({
      send: (entries) => api.buildProgress(uid, claim.epoch, entries),
      isLost: (error) => error instanceof AppError && ["stale_lease", "not_found"].includes(error.code),
      onLost: () => abort.abort(),
    });
    let told: Promise<void> | undefined;
    const tell = (outcome: BuildOutcome) => {
      told ??= this.#tell(uid, claim, progress, outcome);
      // Whoever waits for it below is told why it failed.
      told.catch(() => undefined);
    };
    const outcome = await this.#outcome(assignment, claim, abort.signal, { onEvent: (event) => progress.add(event), onImage: tell });
    tell(outcome);
    await told;
    log.info("build over", { build: uid, outcome: outcome.kind });
  }

  async #tell(uid: string, claim: BuildClaim, progress: ProgressSender, outcome: BuildOutcome): Promise<void> {
    const lastWords = await progress.close();
    const result =
      outcome.kind === "image"
        ? ({
            outcome: "succeeded",
            image: outcome.image,
            newBytes: outcome.newBytes,
            ...(outcome.sourceDigest === undefined ? {} : { sourceDigest: outcome.sourceDigest }),
          } as const)
        : ({ outcome: "failed", failure: outcome.failure } as const);
    await withRetries(() => this.#options.api.buildResult(uid, claim.epoch, result, lastWords));
  }

  async #outcome(
    assignment: BuildAssignment,
    { gitToken, sealedSecrets, sealedRegistries }: BuildClaim,
    signal: AbortSignal,
    listeners: Pick<BuildWork, "onEvent" | "onImage">,
  ): Promise<BuildOutcome> {
    const { mirrors, runBuild, privateKey } = this.#options;
    try {
      const { source } = assignment;
      const repository =
        source.kind === "git"
          ? await withRetries(() =>
              mirrors.ensureCommit(assignment.appUid, source.commit, (body) =>
                this.#options.api.uploadPack(assignment.repository, gitToken, body),
              ),
            )
          : undefined;
      const secrets = sealedSecrets === undefined ? {} : (JSON.parse(openBox(sealedSecrets, privateKey)) as Record<string, string>);
      const registries = sealedRegistries === undefined ? {} : RegistryAccess.parse(JSON.parse(openBox(sealedRegistries, privateKey)));
      return await runBuild({ assignment, repository, secrets, registries, signal, ...listeners });
    } catch (error) {
      this.#options.log.error("build failed for a reason of ours", { build: assignment.uid, error });
      const message =
        error instanceof AppError && error.code !== "internal"
          ? error.message
          : "The platform could not run this build; its operator finds the reason in the agent's log. Push again to repeat it.";
      return { kind: "failure", failure: { reason: signal.aborted ? "cancelled" : "internal", message } };
    }
  }
}

const RETRIES_MS = [200, 500, 1_000, 2_000, 4_000, 8_000];

/** Repeats what may succeed later; an error that says "never" is final at once. */
async function withRetries<T>(work: () => Promise<T>): Promise<T> {
  for (const pause of RETRIES_MS) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof AppError && error.retry === "never") throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  return work();
}
