import { AppError } from "@plimsoll/core";
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

/** A path as a word of a batch line. Paths are ours; one that would be more than a word is refused rather than quoted. */
export function pathWord(path: string): string {
  if (!/^\/[A-Za-z0-9_.,+@/-]+$/.test(path)) throw new AppError("internal", `not a path for a batch of ip: ${path}`);
  return path;
}

async function batch(netns: Netns, program: string, lines: readonly string[]): Promise<Output | undefined> {
  if (lines.length === 0) return undefined;
  return run(insideNetns(netns, [program, "-batch", "-"]), { stdin: `${lines.join("\n")}\n` });
}
