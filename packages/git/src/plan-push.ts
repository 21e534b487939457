import { BUILD_REFS } from "./git-command.ts";
import type { RefCommand } from "./proc-receive.ts";
import { NO_COMMIT } from "./push-refs.ts";

export type PlannedCommand = { readonly command: RefCommand; readonly kind: "branch" | "tag"; readonly branch: string } & (
  | { readonly action: "deploy" }
  | { readonly action: "store" }
  | { readonly action: "delete" }
  /** Its objects are taken in for a build; no branch or tag is made of it. */
  | { readonly action: "take" }
  /** `note` is shown to the person. */
  | { readonly action: "refuse"; readonly reason: string; readonly note?: string }
);

const PREFIX = "refs/heads/";
const TAGS = "refs/tags/";
const DEPLOYABLE = ["main", "master"] as const;

/**
 * What to do with each ref of a push. `main` is what an app deploys, or `master` as long as there is no `main`; other branches and all
 * tags are only stored, and what is for a build is taken without a ref. Pure: `branches` are those of the repository, with their
 * commits; tags are compared where they are stored.
 */
export function planPush(commands: readonly RefCommand[], branches: ReadonlyMap<string, string>): readonly PlannedCommand[] {
  const deployed = deployedBranch(branches, commands);
  return commands.map((command): PlannedCommand => {
    const kind = command.ref.startsWith(TAGS) ? "tag" : "branch";
    const branch = command.ref.slice(kind === "tag" ? TAGS.length : PREFIX.length);
    const refuse = (reason: string, note?: string): PlannedCommand => ({
      command,
      kind,
      branch,
      action: "refuse",
      reason,
      ...(note === undefined ? {} : { note }),
    });
    const isDelete = command.newCommit === NO_COMMIT;
    if (command.ref.startsWith(BUILD_REFS)) {
      if (!isDelete) return { command, kind, branch: "", action: "take" };
      if (command.oldCommit === NO_COMMIT) return refuse("there is nothing to delete");
      // A push that mirrors another repository.
      return { command, kind, branch: command.ref, action: "delete" };
    }
    if (!(command.ref.startsWith(PREFIX) || kind === "tag") || !isBranchName(branch)) return refuse(`not a valid ${kind} name`);
    if (kind === "tag") return { command, kind, branch, action: isDelete ? "delete" : "store" };
    if ((branches.get(branch) ?? NO_COMMIT) !== command.oldCommit) return refuse("fetch first");
    if (branch === deployed) {
      if (!isDelete) return { command, kind, branch, action: "deploy" };
      return refuse("deployed branch", `${branch} is what this app deploys and cannot be deleted; to remove the app: plim destroy`);
    }
    if (isDelete) return { command, kind, branch, action: "delete" };
    // git cannot hold a branch main/x beside a branch main: it would keep a live release's branch from moving.
    if (DEPLOYABLE.some((name) => branch.startsWith(`${name}/`))) return refuse(`${branch.split("/", 1)[0]}/ is reserved`);
    return { command, kind, branch, action: "store" };
  });
}

/** The branch that the app deploys: `main`, or `master` as long as there is no `main`, here or in the push. Pure. */
export function deployedBranch(branches: Pick<ReadonlyMap<string, string>, "has">, commands: readonly RefCommand[] = []): string {
  const pushed = new Set(commands.filter(({ newCommit }) => newCommit !== NO_COMMIT).map(({ ref }) => ref));
  const [main, master] = DEPLOYABLE;
  const has = (branch: string) => branches.has(branch) || pushed.has(PREFIX + branch);
  return !has(main) && has(master) ? master : main;
}

/** What was stored and deleted beside the deploy, in a sentence each, however many there are. Pure. */
export function storedNotes(done: readonly PlannedCommand[], deployed: string, app: string): readonly string[] {
  const names = (kind: PlannedCommand["kind"], action: PlannedCommand["action"]) =>
    done.filter((one) => one.kind === kind && one.action === action).map(({ branch }) => branch);
  const notes: string[] = [];
  const branches = names("branch", "store");
  if (branches.length > 0) {
    notes.push(
      `${naming("Branch", "Branches", branches)} stored, not deployed: this app deploys ${deployed}.`,
      `To deploy ${branches.length === 1 ? "it" : "one"}: plim deploy ${app} --branch ${branches[0]}`,
    );
  }
  const tags = names("tag", "store");
  if (tags.length > 0) notes.push(`${naming("Tag", "Tags", tags)} stored; a tag deploys nothing.`);
  const gone = names("branch", "delete");
  if (gone.length > 0) notes.push(`${naming("Branch", "Branches", gone)} deleted.`);
  const goneTags = names("tag", "delete");
  if (goneTags.length > 0) notes.push(`${naming("Tag", "Tags", goneTags)} deleted.`);
  return notes;
}

const NAMED = 5;

/** `Branch a is`, `Branches a, b and c are`, `Tags a, b, c, d, e and 12 more are`. */
function naming(one: string, many: string, names: readonly string[]): string {
  if (names.length === 1) return `${one} ${names[0]} is`;
  const shown = names.length > NAMED ? [...names.slice(0, NAMED), `${names.length - NAMED} more`] : names;
  return `${many} ${shown.slice(0, -1).join(", ")} and ${shown.at(-1)} are`;
}

/** git-check-ref-format, narrowed: git does not check the refs that it hands to proc-receive. */
export function isBranchName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: git forbids them in refs
  const forbidden = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|^[-/]|\/$|(^|\/)\.|\.$|\.lock($|\/)/;
  return name !== "" && name !== "@" && Buffer.byteLength(name) <= 200 && !forbidden.test(name);
}
