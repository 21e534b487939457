import type { Git } from "./git-command.ts";
import { deployedBranch, isBranchName } from "./plan-push.ts";

/** A branch or tag of an app's repository. */
export interface StoredRef {
  readonly kind: "branch" | "tag";
  readonly name: string;
  /** What it points at, through an annotated tag. */
  readonly commit: string;
  readonly subject: string;
  readonly author: string;
  /** Of the commit or annotated tag, as RFC 3339; absent where it has none that git can read. */
  readonly committedAt?: string;
  /** What pushes to this app deploy. */
  readonly deployed: boolean;
}

export interface StoredRefs {
  /** Newest first; at most 500. */
  readonly refs: readonly StoredRef[];
  readonly more: boolean;
}

const LIMIT = 500;
const FIELDS = ["objectname", "*objectname", "refname", "creatordate:iso-strict", "authorname", "*authorname", "contents:subject"];
const MAX_SUBJECT = 200;

/** The branches and tags that clients see, newest first. */
export async function listRefs(git: Git, repository: string): Promise<StoredRefs> {
  const format = FIELDS.map((field) => `%(${field})`).join("%00");
  const args = ["for-each-ref", "--sort=-creatordate", `--count=${LIMIT + 1}`, `--format=${format}`, "refs/heads/", "refs/tags/"];
  const [{ stdout }, { stdout: candidates }] = await Promise.all([
    git(repository, args),
    git(repository, ["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/main", "refs/heads/master"]),
  ]);
  const deployed = deployedBranch(new Set(candidates.split("\n")));
  const refs = stdout.split("\n").flatMap((line) => parseRef(line, deployed) ?? []);
  return { refs: refs.slice(0, LIMIT), more: refs.length > LIMIT };
}

/** The commit of a branch; undefined when there is none of this name. */
export async function commitOfBranch(git: Git, repository: string, branch: string): Promise<string | undefined> {
  if (!isBranchName(branch)) return undefined;
  const { code, stdout } = await git(repository, ["rev-parse", "--verify", "--quiet", `refs/heads/${branch}^{commit}`], {
    okCodes: [0, 1, 128],
  });
  return code === 0 ? stdout.trim() : undefined;
}

/** One line of for-each-ref; undefined for what is cut off. */
function parseRef(line: string, deployed: string): StoredRef | undefined {
  const [id = "", peeled = "", ref = "", date = "", author = "", peeledAuthor = "", subject] = line.split("\0");
  const found = /^refs\/(heads|tags)\/(.+)$/.exec(ref);
  if (found === null || subject === undefined) return undefined;
  const [, folder, name = ""] = found;
  return {
    kind: folder === "heads" ? "branch" : "tag",
    name,
    commit: peeled === "" ? id : peeled,
    subject: subject.slice(0, MAX_SUBJECT),
    author: (peeledAuthor === "" ? author : peeledAuthor).slice(0, MAX_SUBJECT),
    ...(Number.isNaN(Date.parse(date)) ? {} : { committedAt: new Date(date).toISOString() }),
    deployed: folder === "heads" && name === deployed,
  };
}
