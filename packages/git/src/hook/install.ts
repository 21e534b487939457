import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError, newSecret } from "@plimsoll/core";

/** The kernel reads at most this much of a `#!` line (BINPRM_BUF_SIZE), and splits it at blanks. */
const MAX_INTERPRETER_BYTES = 250;

/**
 * Puts the proc-receive hook into `hooksDir`, to be run by the Node that runs us. Replaces an older one at once, so that a push that
 * is starting finds one or the other. Idempotent. Throws AppError unsupported when that Node's path cannot stand in a `#!` line.
 */
export async function installHook(hooksDir: string): Promise<void> {
  const node = process.execPath;
  if (/\s/.test(node) || Buffer.byteLength(node) > MAX_INTERPRETER_BYTES) {
    throw new AppError("unsupported", `Node at ${node} cannot run git's hooks: install Plimsoll at a shorter path without blanks.`);
  }
  const source = await readFile(new URL("relay.cjs", import.meta.url), "utf8");
  await mkdir(hooksDir, { recursive: true, mode: 0o700 });
  // The hook must bear git's name for it, without a suffix: below a package of modules, Node would take it for one.
  await writeFile(join(hooksDir, "package.json"), '{ "type": "commonjs" }\n', { mode: 0o600 });
  const draft = join(hooksDir, `.proc-receive-${newSecret(6)}`);
  await writeFile(draft, `#!${node}\n${source}`, { mode: 0o700 });
  await rename(draft, join(hooksDir, "proc-receive"));
}
