import { existsSync, lstatSync, mkdirSync, readlinkSync, symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";

/** What of us a link ends in: any checkout's launcher. */
const LAUNCHER = "/scripts/plim";

/**
 * Makes `plim` a command: a link in a directory of the PATH to this checkout's launcher. A link of a checkout that is gone is replaced;
 * whatever else has the name stays as it is, and so does another checkout's. Idempotent.
 * @param {{ root: string, binDir: string }} options
 * @returns {"linked" | "unchanged" | "foreign"}
 */
export function linkPlim({ root, binDir }) {
  const path = join(binDir, "plim");
  const launcher = join(root, "scripts/plim");
  const target = targetOf(path);
  if (target === launcher) return "unchanged";
  if (target !== undefined) {
    if (target === "" || !target.endsWith(LAUNCHER) || existsSync(target)) return "foreign";
    unlinkSync(path);
  }
  mkdirSync(binDir, { recursive: true });
  try {
    symlinkSync(launcher, path);
    return "linked";
  } catch (error) {
    // Somebody was faster; it is theirs, or ours from a start beside this one.
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return targetOf(path) === launcher ? "unchanged" : "foreign";
    throw error;
  }
}

/**
 * Where a link leads; empty for what is no link, undefined for what is not there.
 * @param {string} path
 */
function targetOf(path) {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  return found.isSymbolicLink() ? readlinkSync(path) : "";
}
