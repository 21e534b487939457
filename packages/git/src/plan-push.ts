import { BUILD_REFS } from "./git-command.ts";
import type { RefCommand } from "./proc-receive.ts";
import { NO_COMMIT } from "./push-refs.ts";

export type PlannedCommand = { readonly command: RefCommand; readonly branch: string } & (
  | { readonly action: "deploy" }
  /** `note` is shown to the person. */
  | { readonly action: "store"; readonly note: string }
  | { readonly action: "delete" }
  /** Its objects are kept, no ref is made of it. */
  | { readonly action: "take" }
  | { readonly action: "refuse"; readonly reason: string; readonly note?: string }
);

const PREFIX = "refs/heads/";
const DEPLOYABLE = ["main", "master"] as const;

/**
 * What to do with each branch of a push. `main` is what an app deploys, or `master` as long as there is no `main`; other branches are
 * only stored, and what is for a build is taken without a ref. Pure: `branches` are those of the repository, with their commits.
 */
export function planPush(commands: readonly RefCommand[], branches: ReadonlyMap<string, string>): readonly PlannedCommand[] {
  const pushed = new Set(commands.filter(({ newCommit }) => newCommit !== NO_COMMIT).map(({ ref }) => ref));
  const [main, master] = DEPLOYABLE;
  const usesMaster = !branches.has(main) && !pushed.has(PREFIX + main) && (branches.has(master) || pushed.has(PREFIX + master));
  const deployed = usesMaster ? master : main;
  return commands.map((command): PlannedCommand => {
    const branch = command.ref.slice(PREFIX.length);
    const refuse = (reason: string, note?: string): PlannedCommand => ({
      command,
      branch,
      action: "refuse",
      reason,
      ...(note === undefined ? {} : { note }),
    });
    if (command.ref.startsWith(BUILD_REFS)) {
      if (command.newCommit === NO_COMMIT) return refuse("there is nothing to delete");
      return { command, branch: "", action: "take" };
    }
    if (!command.ref.startsWith(PREFIX) || !isBranchName(branch)) return refuse("not a valid branch name");
    if ((branches.get(branch) ?? NO_COMMIT) !== command.oldCommit) return refuse("fetch first");
    if (branch === deployed) {
      if (command.newCommit !== NO_COMMIT) return { command, branch, action: "deploy" };
      return refuse("deployed branch", `${branch} is what this app deploys and cannot be deleted; to remove the app: plim apps delete`);
    }
    if (command.newCommit === NO_COMMIT) return { command, branch, action: "delete" };
    // git cannot hold a branch main/x beside a branch main: it would keep a live release's branch from moving.
    if (DEPLOYABLE.some((name) => branch.startsWith(`${name}/`))) return refuse(`${branch.split("/", 1)[0]}/ is reserved`);
    return { command, branch, action: "store", note: `Branch ${branch} is stored, not deployed: this app deploys ${deployed}.` };
  });
}

/** git-check-ref-format, narrowed: git does not check the refs that it hands to proc-receive. */
export function isBranchName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: git forbids them in refs
  const forbidden = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|^[-/]|\/$|(^|\/)\.|\.$|\.lock($|\/)/;
  return name !== "" && name !== "@" && Buffer.byteLength(name) <= 200 && !forbidden.test(name);
}
