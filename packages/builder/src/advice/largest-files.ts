import { minimalEnv, run } from "@plimsoll/exec";
import type { IgnoreRules } from "../context/ignore.ts";

export interface ContextFile {
  readonly path: string;
  readonly bytes: number;
}

const KEPT = 5;
const LARGE = 1_000_000;
/** Trees whose answer is remembered: a build without a change asks for the one before. */
const REMEMBERED = 200;

/** The largest files of build contexts, by git's own record of their sizes. Advice waits for nobody: it is looked up beside the build. */
export class LargestFiles {
  private readonly known = new Map<string, Promise<readonly ContextFile[]>>();

  /** Whether it was asked for before. */
  knows(treeId: string, ignore: string | undefined): boolean {
    return this.known.has(nameOf(treeId, ignore));
  }

  /** Of a tree, without what its ignore file (`ignore`: its text, if it has one) leaves out. Empty where they cannot be read. */
  of(repository: string, treeId: string, ignore: string | undefined, rules: IgnoreRules | undefined): Promise<readonly ContextFile[]> {
    const name = nameOf(treeId, ignore);
    const before = this.known.get(name);
    if (before !== undefined) return before;
    const found = list(repository, treeId, rules).catch(() => {
      this.known.delete(name);
      return [];
    });
    this.known.set(name, found);
    for (const oldest of this.known.keys()) {
      if (this.known.size <= REMEMBERED) break;
      this.known.delete(oldest);
    }
    return found;
  }
}

function nameOf(treeId: string, ignore: string | undefined): string {
  return `${treeId} ${ignore ?? ""}`;
}

async function list(repository: string, treeId: string, rules: IgnoreRules | undefined): Promise<readonly ContextFile[]> {
  const env = { ...minimalEnv, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", GIT_NO_LAZY_FETCH: "1" };
  const argv = ["nice", "-n", "19", "git", "-C", repository, "ls-tree", "-r", "-l", "-z", "--full-tree", treeId];
  const { stdout } = await run(argv, { env, timeoutMs: 60_000, maxOutputBytes: 64 * 1024 ** 2 });
  const large: ContextFile[] = [];
  for (const line of stdout.split("\0")) {
    const [, size, path] = /^\d+ blob [0-9a-f]+ +(\d+)\t([\s\S]*)$/.exec(line) ?? [];
    if (size !== undefined && path !== undefined && Number(size) >= LARGE) large.push({ path, bytes: Number(size) });
  }
  return large
    .filter(({ path }) => rules?.ignores(path) !== true)
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, KEPT);
}
