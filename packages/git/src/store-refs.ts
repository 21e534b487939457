import type { Git } from "./git-command.ts";
import type { PlannedCommand } from "./plan-push.ts";

export type StoredCommand = Extract<PlannedCommand, { action: "store" | "delete" }>;

/** git waits for the locks of others by itself; these are the refs of one repository, thousands at most. */
const TIMEOUT_MS = 120_000;

/**
 * Stores and deletes branches and tags by compare-and-set: all in one program, and one by one only where something is in the way of one
 * of them (not of an atomic push: nothing is stored then). Answers the reason for each that was refused.
 */
export async function storeRefs(
  git: Git,
  repository: string,
  commands: readonly StoredCommand[],
  atomic: boolean,
): Promise<ReadonlyMap<StoredCommand, string>> {
  if (commands.length === 0 || (await stores(git, repository, commands))) return new Map();
  const [only] = commands;
  if (atomic || (commands.length === 1 && only !== undefined)) return new Map(commands.map((one) => [one, reason(one)]));
  const refused = new Map<StoredCommand, string>();
  for (const one of commands) if (!(await stores(git, repository, [one]))) refused.set(one, reason(one));
  return refused;
}

/** Whether all of them are stored now; none is when one is not. */
async function stores(git: Git, repository: string, commands: readonly StoredCommand[]): Promise<boolean> {
  const lines = commands.map(({ action, command: { ref, newCommit, oldCommit } }) =>
    action === "store" ? `update ${ref} ${newCommit} ${oldCommit}\n` : `delete ${ref} ${oldCommit}\n`,
  );
  const { code } = await git(repository, ["update-ref", "--stdin"], {
    stdin: lines.join(""),
    okCodes: [0, 1, 128],
    timeoutMs: TIMEOUT_MS,
  });
  return code === 0;
}

function reason({ kind, action }: StoredCommand): string {
  return `could not be ${action === "store" ? "stored: another" : "deleted: another"} ${kind} is in its way, or it was changed meanwhile`;
}
