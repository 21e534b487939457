import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ifThere } from "@plimsoll/core";
import { run } from "@plimsoll/exec";

/** What is known of one path. */
interface Known {
  readonly bytes: number;
  readonly measuredAt: number;
  readonly tookMs: number;
}

interface Kept {
  readonly sealed: Record<string, number>;
  /** Some sealed directory holds files that are linked from another one too. */
  readonly linked: boolean;
}

/** A walk that took a second is not repeated before so many seconds have passed: at most half a percent of a core goes into walks. */
const REST = 200;
/** Paths given to one program. */
const BATCH = 2_000;
const WALK_MS = 30 * 60_000;
const KEPT = "disk.json";

/**
 * Bytes that directories take on the disk (blocks, not lengths), each walked as seldom as it may be. What is sealed is walked once, and
 * kept over restarts; what changes is walked again after a rest that grows with what the walk has cost. Walks descend by descriptor,
 * follow no link and stay on the file system, in a program of the lowest priority.
 */
export class DiskSizes {
  readonly #root: string;
  readonly #signal: AbortSignal;
  readonly #changing = new Map<string, Known>();
  #sealed = new Map<string, number>();
  #linked = false;
  /** What is linked may have moved from one owner to another. */
  #unsure = false;
  #walkedAllAt = Number.NEGATIVE_INFINITY;
  #walkTookMs = 0;
  #loaded = false;

  /** `signal` ends the walks. */
  constructor(root: string, signal: AbortSignal = new AbortController().signal) {
    this.#root = root;
    this.#signal = signal;
  }

  /** Of directories that change, below the root. One that is gone has 0. */
  async changing(paths: readonly string[], nowMs: number): Promise<ReadonlyMap<string, number>> {
    const due = paths.filter((path) => {
      const known = this.#changing.get(path);
      return known === undefined || nowMs - known.measuredAt >= known.tookMs * REST;
    });
    for (const path of due) {
      const began = performance.now();
      const bytes = (await this.#walk([path])).get(path) ?? 0;
      this.#changing.set(path, { bytes, measuredAt: nowMs, tookMs: performance.now() - began });
    }
    const wanted = new Set(paths);
    for (const path of this.#changing.keys()) if (!wanted.has(path)) this.#changing.delete(path);
    return new Map(paths.map((path) => [path, this.#changing.get(path)?.bytes ?? 0]));
  }

  /**
   * Of all directories that never change, in the order they came. A file that several of them link counts where it came first; while that is
   * not known for certain – one of them went – it may for a time count nowhere or twice, until all are walked again.
   */
  async sealed(paths: readonly string[], nowMs: number): Promise<ReadonlyMap<string, number>> {
    await this.#load();
    const there = new Set(paths);
    const before = JSON.stringify([...this.#sealed]);
    for (const path of this.#sealed.keys()) {
      if (there.has(path)) continue;
      this.#sealed.delete(path);
      this.#unsure ||= this.#linked;
    }
    const fresh = paths.filter((path) => !this.#sealed.has(path));
    const isFirst = this.#sealed.size === 0;
    if (isFirst || (this.#unsure && nowMs - this.#walkedAllAt >= this.#walkTookMs * REST)) await this.#walkAll(paths, nowMs);
    else for (const path of fresh) await this.#walkNew(path);
    if (JSON.stringify([...this.#sealed]) !== before) await this.#keep();
    return new Map(paths.map((path) => [path, this.#sealed.get(path) ?? 0]));
  }

  async #walkAll(paths: readonly string[], nowMs: number): Promise<void> {
    const began = performance.now();
    const sizes = await this.#walk(paths);
    this.#sealed = new Map(paths.map((path) => [path, sizes.get(path) ?? 0]));
    this.#linked = paths.length > 0 && (await this.#linksIn(paths, ["-quit"])).size > 0;
    this.#unsure = false;
    this.#walkedAllAt = nowMs;
    this.#walkTookMs = performance.now() - began;
  }

  /** What it links from others is theirs. */
  async #walkNew(path: string): Promise<void> {
    const bytes = (await this.#walk([path])).get(path) ?? 0;
    let foreign = 0;
    for (const { links, seen, blocks } of (await this.#linksIn([path], [])).values()) if (links > seen) foreign += blocks * 512;
    if (foreign > 0) {
      this.#linked = true;
      this.#unsure = true;
    }
    this.#sealed.set(path, Math.max(0, bytes - foreign));
  }

  /** Bytes of each; within one call a file with several links counts at the first path that has it. */
  async #walk(paths: readonly string[]): Promise<Map<string, number>> {
    const sizes = new Map<string, number>();
    // One program for all where it matters who comes first, and they fit.
    for (let at = 0; at < paths.length; at += BATCH) {
      const argv = ["nice", "-n", "19", "du", "--summarize", "--block-size=1", "--one-file-system", "--null", "--"];
      // Files may go while they are looked at: that is no failure, and what is left is told.
      const { stdout } = await run([...argv, ...paths.slice(at, at + BATCH).map((path) => `./${path}`)], {
        cwd: this.#root,
        okCodes: [0, 1],
        timeoutMs: WALK_MS,
        signal: this.#signal,
      });
      for (const line of stdout.split("\0")) {
        const [bytes, name] = [line.slice(0, line.indexOf("\t")), line.slice(line.indexOf("\t") + 3)];
        if (/^\d+$/.test(bytes)) sizes.set(name, Number(bytes));
      }
    }
    return sizes;
  }

  /** Files with more than one link, by inode. */
  async #linksIn(paths: readonly string[], end: readonly string[]) {
    const found = new Map<string, { readonly links: number; seen: number; readonly blocks: number }>();
    for (let at = 0; at < paths.length; at += BATCH) {
      const below = paths.slice(at, at + BATCH).map((path) => `./${path}`);
      const argv = ["nice", "-n", "19", "find", "-P", ...below, "-xdev", "-type", "f", "-links", "+1", "-printf", "%i %n %b\\n", ...end];
      const { stdout } = await run(argv, {
        cwd: this.#root,
        okCodes: [0, 1],
        timeoutMs: WALK_MS,
        maxOutputBytes: 128 * 1024 ** 2,
        signal: this.#signal,
      });
      for (const line of stdout.split("\n")) {
        const [inode, links, blocks] = line.split(" ");
        if (inode === undefined || links === undefined || blocks === undefined) continue;
        const known = found.get(inode) ?? { links: Number(links), seen: 0, blocks: Number(blocks) };
        known.seen++;
        found.set(inode, known);
      }
    }
    return found;
  }

  async #load(): Promise<void> {
    if (this.#loaded) return;
    this.#loaded = true;
    const text = await ifThere(readFile(join(this.#root, KEPT), "utf8"));
    try {
      const { sealed, linked } = JSON.parse(text ?? "") as Kept;
      this.#sealed = new Map(Object.entries(sealed));
      this.#linked = linked;
      // Links may have come and gone meanwhile.
      this.#unsure = linked;
    } catch (error) {
      // Never written, or torn: everything is walked once more.
      if (!(error instanceof SyntaxError)) throw error;
    }
  }

  async #keep(): Promise<void> {
    const file = join(this.#root, KEPT);
    const kept: Kept = { sealed: Object.fromEntries(this.#sealed), linked: this.#linked };
    await writeFile(`${file}.new`, JSON.stringify(kept), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
}
