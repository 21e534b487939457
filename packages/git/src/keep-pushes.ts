import { type AppError, errorText, toAppError } from "@plimsoll/core";
import { commitFiles } from "./commit-files.ts";
import type { Git } from "./git-command.ts";
import type { FinishedPush, GitLogger, GitPorts, PushToFinish } from "./ports.ts";
import { dropPushes, moveBranch, prunablePushes, readCommit, readKeptFacts, readRefs } from "./push-refs.ts";
import type { Repositories } from "./repositories.ts";

const GC_TIMEOUT_MS = 30 * 60_000;
/** Housekeeping waits until the deploy that led to it is over: its programs would take the processor from the instance that starts. */
const HOUSE_DELAY_MS = 5_000;

/** What happens to kept pushes outside of a connection: finishing them, finding forgotten ones, clearing old ones away. */
export class PushKeeper {
  readonly #git: Git;
  readonly #ports: GitPorts;
  readonly #repositories: Repositories;
  readonly #logger: GitLogger;
  readonly #inFlight: ReadonlySet<string>;
  readonly #houseDelayMs: number;
  readonly #housework = new Map<string, Promise<void>>();
  /** What is to be tidied soon. */
  readonly #due = new Map<string, NodeJS.Timeout>();

  constructor(
    git: Git,
    ports: GitPorts,
    repositories: Repositories,
    logger: GitLogger,
    inFlight: ReadonlySet<string>,
    houseDelayMs = HOUSE_DELAY_MS,
  ) {
    this.#houseDelayMs = houseDelayMs;
    this.#git = git;
    this.#ports = ports;
    this.#repositories = repositories;
    this.#logger = logger;
    this.#inFlight = inFlight;
  }

  /** See GitServer.finishPush. */
  async finish(push: PushToFinish): Promise<FinishedPush> {
    if (!(await this.#repositories.has(push.appUid))) return { moved: false, reason: "the app's repository is gone" };
    const finished = await moveBranch(this.#git, this.#repositories.path(push.appUid), push);
    this.#keepHouse(push.appUid);
    return finished;
  }

  /** See GitServer.scanPushes. */
  async scan(): Promise<{ readonly recorded: number }> {
    let recorded = 0;
    for (const appUid of await this.#repositories.list()) {
      try {
        recorded += await this.#scanOne(appUid);
      } catch (error) {
        this.#logger.error("pushes of a repository could not be scanned", { appUid, error: errorText(error) });
      }
    }
    return { recorded };
  }

  /** Waits for what is under way; what was to come is left to the next push. */
  async settle(): Promise<void> {
    for (const timer of this.#due.values()) clearTimeout(timer);
    this.#due.clear();
    await Promise.all(this.#housework.values());
  }

  async #scanOne(appUid: string): Promise<number> {
    const repository = this.#repositories.path(appUid);
    const { pushes } = await readRefs(this.#git, repository);
    // One that leaves the set from here on is recorded, and known below.
    const ids = [...pushes.keys()].filter((id) => !this.#inFlight.has(id)).sort();
    if (ids.length === 0) return 0;
    const known = await this.#ports.knownPushes(appUid, ids);
    const forgotten = ids.filter((id) => !known.has(id));
    // Of several only the newest was to be deployed, and none when a newer one is recorded.
    const newest = ids.at(-1);
    const due = forgotten.filter((id) => id === newest);
    await dropPushes(
      this.#git,
      repository,
      forgotten.filter((id) => id !== newest),
    );
    for (const id of due) if (!(await this.#record(appUid, repository, id, pushes.get(id) ?? ""))) return 0;
    return due.length;
  }

  async #record(appUid: string, repository: string, id: string, commit: string): Promise<boolean> {
    const [facts, read] = await Promise.all([readKeptFacts(repository, id), readCommit(this.#git, repository, commit)]);
    if (facts === undefined || read === undefined) {
      this.#logger.warn("a kept push without its facts is dropped", { appUid, push: id });
      await dropPushes(this.#git, repository, [id]);
      return false;
    }
    try {
      await this.#ports.recordPush({ id, appUid, commit, ...facts, ...read }, commitFiles(this.#git, repository, commit));
      this.#logger.info("recorded a push that a crash had left unrecorded", { appUid, push: id });
      return true;
    } catch (error) {
      const failure: AppError = toAppError(error);
      // Whatever may pass is tried again by the next scan.
      if (failure.retry !== "never") throw error;
      this.#logger.warn("a kept push is refused and dropped", { appUid, push: id, reason: failure.message });
      await dropPushes(this.#git, repository, [id]);
      return false;
    }
  }

  /** Forgets old pushes and lets git pack what has become much. In the background, a while later, once at a time for a repository. */
  #keepHouse(appUid: string): void {
    if (this.#due.has(appUid)) return;
    const timer = setTimeout(() => {
      this.#due.delete(appUid);
      this.#tidy(appUid);
    }, this.#houseDelayMs);
    timer.unref();
    this.#due.set(appUid, timer);
  }

  #tidy(appUid: string): void {
    if (this.#housework.has(appUid)) return;
    const work = (async () => {
      const repository = this.#repositories.path(appUid);
      const { pushes } = await readRefs(this.#git, repository);
      const ids = [...pushes.keys()];
      await dropPushes(this.#git, repository, prunablePushes(ids, await this.#ports.knownPushes(appUid, ids)));
      await this.#git(repository, ["gc", "--auto", "--quiet"], { timeoutMs: GC_TIMEOUT_MS });
    })();
    const settled = work
      .catch((error) => this.#logger.warn("a repository could not be tidied", { appUid, error: errorText(error) }))
      .finally(() => this.#housework.delete(appUid));
    this.#housework.set(appUid, settled);
  }
}
