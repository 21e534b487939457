import type { Clock } from "@plimsoll/config";
import { AppError, formatBytes } from "@plimsoll/core";
import type { RegistryFiles } from "./files.ts";
import { type RepositoryName, repositoryText } from "./repository.ts";

/** What is on the disk is counted anew after this time; meanwhile what comes in is added. */
const FRESH_MS = 3_000;

/** What takes little room takes files: of one namespace so many blobs, and so many uploads at a time. */
const MAX_BLOBS = 20_000;
const MAX_UPLOADS = 200;
/** Of one repository. */
const MAX_TAGS = 1_000;

interface Budget {
  readonly atMs: number;
  readonly usedBytes: number;
  readonly blobs: number;
  addedBytes: number;
}

/** The bytes that each namespace may have in the registry: uploads under way count, a blob in several of its repositories counts once. */
export class Budgets {
  readonly #files: RegistryFiles;
  readonly #clock: Clock;
  readonly #known = new Map<string, Promise<Budget>>();
  readonly limitBytes: number;

  constructor(files: RegistryFiles, clock: Clock, limitBytes: number) {
    this.#files = files;
    this.#clock = clock;
    this.limitBytes = limitBytes;
  }

  /** Throws `quota_exceeded`, with a sentence that begins with `what`, when so many more bytes have no room. */
  async admit(repository: RepositoryName, bytes: number, what: string): Promise<void> {
    if (this.#isOver(await this.#budget(repository), bytes) && this.#isOver(await this.#count(repository), bytes))
      throw this.#full(repository, what);
  }

  /** One more upload. Throws `quota_exceeded` where there is no room for it, or too many are under way. */
  async admitUpload(repository: RepositoryName): Promise<void> {
    await this.admit(repository, 1, "");
    const name = keyOf(repository);
    const [known, uploads] = [await this.#budget(repository), await this.#files.uploadCount(repository.team, repository.namespace)];
    const blobs = known.blobs < MAX_BLOBS ? known.blobs : (await this.#count(repository)).blobs;
    if (blobs >= MAX_BLOBS)
      throw tooMany(`Namespace ${name} has ${blobs} layers and manifests in the registry, the most there may be: delete images.`);
    if (uploads >= MAX_UPLOADS)
      throw tooMany(`Namespace ${name} has ${uploads} uploads under way; those that nobody goes on with end within a day.`);
  }

  /** One more tag. */
  async admitTag(repository: RepositoryName, tag: string): Promise<void> {
    if ((await this.#files.tagCount(repository)) < MAX_TAGS || (await this.#files.hasTag(repository, tag))) return;
    throw tooMany(`${repositoryText(repository)} has ${MAX_TAGS} tags, the most there may be: delete some (plim images delete).`);
  }

  /** Counts bytes as they come in; throws like `admit` at the one that has no room. */
  async counter(repository: RepositoryName): Promise<(bytes: number) => Promise<void>> {
    let budget = await this.#budget(repository);
    return async (bytes) => {
      budget.addedBytes += bytes;
      if (!this.#isOver(budget, 0)) return;
      // What was removed meanwhile, or was there already, makes room: counted anew before it is refused.
      budget = await this.#count(repository);
      if (this.#isOver(budget, 0)) throw this.#full(repository, "The upload was ended.");
    };
  }

  #isOver({ usedBytes, addedBytes }: Budget, bytes: number): boolean {
    return usedBytes + addedBytes + bytes > this.limitBytes;
  }

  /** As counted a moment ago. */
  async #budget(repository: RepositoryName): Promise<Budget> {
    const known = await this.#known.get(keyOf(repository));
    return known !== undefined && this.#clock.now().getTime() - known.atMs < FRESH_MS ? known : this.#count(repository);
  }

  async #count(repository: RepositoryName): Promise<Budget> {
    const atMs = this.#clock.now().getTime();
    const counted = this.#files
      .usageOf(repository.team, repository.namespace)
      .then(({ bytes, blobs }) => ({ atMs, usedBytes: bytes, blobs, addedBytes: 0 }))
      .catch((error: unknown) => {
        this.#known.delete(keyOf(repository));
        throw error;
      });
    this.#known.set(keyOf(repository), counted);
    return counted;
  }

  #full({ team, namespace }: RepositoryName, what: string): AppError {
    const limit = formatBytes(this.limitBytes);
    return new AppError(
      "quota_exceeded",
      `${what === "" ? "" : `${what} `}Namespace ${team}/${namespace} may have ${limit} in the registry, and has no room for it: plim images lists what there is, plim images delete makes room within a day.`,
    );
  }
}

function keyOf({ team, namespace }: RepositoryName): string {
  return `${team}/${namespace}`;
}

function tooMany(sentence: string): AppError {
  return new AppError("quota_exceeded", sentence);
}
