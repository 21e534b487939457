import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AppError, ifThere } from "@plimsoll/core";
import { minimalEnv, run, start } from "@plimsoll/exec";

/** One stateless round of upload-pack: request body in, answer out. */
export type UploadPack = (body: Uint8Array) => Promise<Readable>;

/** git without anybody's configuration but ours. */
const GIT_ENV = { ...minimalEnv, GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null", GIT_TERMINAL_PROMPT: "0" };
const HAVES = 32;
/** One ref a commit that was built from. Nothing here ever packs refs: each is a file of its own. */
const BUILD_REFS = "refs/plim/builds";
/** A file whose time says when a build last asked for the mirror. */
const USED = "plimsoll-used";
const MIRROR = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.git$/;
/** git's own default of fetch.unpackLimit: fewer objects than this become loose ones, more stay a pack. */
const UNPACK_LIMIT = 100;

/**
 * Bare mirrors of the repositories that this host builds from, one per app. A build's commit comes over the API's smart HTTP (protocol
 * v0, one round: it asks for exactly that commit and names the ones it has), so a mirror works the same on the server's machine and on
 * any other, and no credential gets into git's argv or configuration.
 */
export class GitMirrors {
  readonly #directory: string;
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Resolves with the path of the app's mirror once it holds the commit. Idempotent; one fetch per mirror at a time. */
  async ensureCommit(appUid: string, commit: string, uploadPack: UploadPack): Promise<string> {
    const repository = join(this.#directory, `${appUid}.git`);
    const before = this.#busy.get(repository) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(() => this.#ensure(repository, commit, uploadPack));
    this.#busy.set(repository, mine);
    await mine;
    return repository;
  }

  /** Removes mirrors that no build has asked for that long, and nothing else: of apps that are gone, or asleep; the next build fetches anew. */
  async collect(maxIdleMs: number): Promise<void> {
    for (const name of (await ifThere(readdir(this.#directory))) ?? []) {
      if (!MIRROR.test(name)) continue;
      const repository = join(this.#directory, name);
      const { mtimeMs } = await stat(join(repository, USED)).catch(() => stat(repository));
      if (Date.now() - mtimeMs < maxIdleMs) continue;
      const mine = (this.#busy.get(repository) ?? Promise.resolve())
        .catch(() => undefined)
        .then(() => rm(repository, { recursive: true, force: true }));
      this.#busy.set(repository, mine);
      await mine;
    }
  }

  async #ensure(repository: string, commit: string, uploadPack: UploadPack): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    // Each program costs a build some milliseconds: what a look at our own files tells is not asked of git.
    if (!existsSync(join(repository, "HEAD")) || !existsSync(join(repository, "objects")))
      await git(["init", "--quiet", "--bare", repository]);
    await writeFile(join(repository, USED), "");
    const ref = `${BUILD_REFS}/${commit}`;
    // The ref is written after its objects: where it is, they are whole. One that a power cut has torn is none.
    if ((await ifThere(readFile(join(repository, ref), "utf8"))) === `${commit}\n`) return;
    const haves = await newestCommits(join(repository, BUILD_REFS));
    const pack = await afterNegotiation(await uploadPack(negotiation(commit, haves)));
    await this.#store(repository, pack);
    await writeRef(join(repository, ref), commit);
  }

  async #store(repository: string, pack: Readable): Promise<void> {
    const head = await take(pack, 12);
    if (head.subarray(0, 4).toString() !== "PACK")
      throw new AppError("unavailable", "The server sent no git pack; the build is tried again.");
    pack.unshift(head);
    const few = head.readUInt32BE(8) < UNPACK_LIMIT;
    const argv = few
      ? ["git", "-C", repository, "unpack-objects", "-q", "--strict"]
      : ["git", "-C", repository, "index-pack", "--stdin", "--strict", "--fix-thin"];
    const child = await start(argv, { env: GIT_ENV, stdio: ["pipe", "ignore", "ignore"] });
    const ended = once(child, "exit");
    if (child.stdin === null) throw new AppError("internal", "git was started without an input");
    await pipeline(pack, child.stdin).catch(() => undefined);
    const [code] = await ended;
    if (code !== 0) throw new AppError("unavailable", "The repository could not be fetched whole; the build is tried again.");
  }
}

/** As git itself does, less its program: beside and renamed (gitrepository-layout, loose refs). Nobody else writes in a mirror. */
async function writeRef(path: string, commit: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.lock`, `${commit}\n`);
  await rename(`${path}.lock`, path);
}

/** The commits that were fetched last, newest first. */
async function newestCommits(directory: string): Promise<readonly string[]> {
  const names = (await readdir(directory).catch(() => [])).filter((name) => /^[0-9a-f]{40}$/.test(name));
  const timed = await Promise.all(names.map(async (name) => ({ name, mtimeMs: (await stat(join(directory, name))).mtimeMs })));
  return timed
    .sort((a, b) => b.mtimeMs - a.mtimeMs)
    .slice(0, HAVES)
    .map(({ name }) => name);
}

/** `want` of one commit with everything that we have, in one round (gitprotocol-pack, upload-pack request). */
export function negotiation(commit: string, haves: readonly string[]): Buffer {
  return Buffer.concat([
    pkt(`want ${commit} ofs-delta no-progress agent=plimsoll\n`),
    Buffer.from("0000"),
    ...haves.map((have) => pkt(`have ${have}\n`)),
    pkt("done\n"),
  ]);
}

/**
 * Skips the ACK and NAK lines: upload-pack acknowledges what is common until it has counted a second base, so there may be several. What
 * follows is the pack. An ERR line is the server's refusal.
 */
async function afterNegotiation(answer: Readable): Promise<Readable> {
  for (;;) {
    const head = await take(answer, 4);
    if (head.toString("latin1") === "PACK") {
      answer.unshift(head);
      return answer;
    }
    const length = Number.parseInt(head.toString("latin1"), 16);
    const line = length > 4 ? (await take(answer, length - 4)).toString("utf8").trim() : "";
    if (line !== "NAK" && !line.startsWith("ACK "))
      throw new AppError("unavailable", `The commit could not be fetched from the server: ${line.slice(0, 200) || "empty answer"}.`);
  }
}

async function take(stream: Readable, size: number): Promise<Buffer> {
  for (;;) {
    const chunk: Buffer | null = stream.read(size);
    if (chunk !== null && chunk.length === size) return chunk;
    if (chunk !== null) stream.unshift(chunk);
    if (stream.readableEnded || stream.destroyed || chunk !== null)
      throw new AppError("unavailable", "The server's answer ended too early; the build is tried again.");
    await Promise.race([once(stream, "readable"), once(stream, "end")]);
  }
}

function pkt(text: string): Buffer {
  return Buffer.from((text.length + 4).toString(16).padStart(4, "0") + text);
}

function git(args: readonly string[], okCodes: readonly number[] = [0]) {
  return run(["git", ...args], { env: GIT_ENV, okCodes });
}
