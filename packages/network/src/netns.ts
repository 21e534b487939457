import { type Output, run } from "@plimsoll/exec";

/** Path of a network namespace; undefined is the one that this process lives in. */
export type Netns = string | undefined;

/** The argv that starts a program in that network namespace. Unlike `ip netns exec` it leaves the mount namespace alone. */
export function insideNetns(netns: Netns, argv: readonly string[]): readonly string[] {
  return netns === undefined ? argv : ["nsenter", `--net=${netns}`, "--", ...argv];
}

/** Runs lines of `ip` in one process; stops at the first that fails. No lines: nothing is started. */
export function ipBatch(netns: Netns, lines: readonly string[]): Promise<Output | undefined> {
  return batch(netns, "ip", lines);
}

/** The same for `bridge`. */
export function bridgeBatch(netns: Netns, lines: readonly string[]): Promise<Output | undefined> {
  return batch(netns, "bridge", lines);
}

async function batch(netns: Netns, program: string, lines: readonly string[]): Promise<Output | undefined> {
  if (lines.length === 0) return undefined;
  return run(insideNetns(netns, [program, "-batch", "-"]), { stdin: `${lines.join("\n")}\n` });
}
