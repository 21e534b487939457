import { mkdir, symlink, writeFile } from "node:fs/promises";
import { arch } from "node:os";
import { join } from "node:path";
import { run } from "@plimsoll/exec";

/** What a newcomer has. npm's registry has both as packages. */
export const NODE = `node-linux-${arch()}@20.20.2`;
export const NPM = "npm@11.19.1";

/** Puts Node 20 and npm into a Debian at `root`, as a newcomer has them. */
export async function addNode(root: string): Promise<void> {
  const prefix = join(root, "usr/local/lib/node20");
  await mkdir(prefix, { recursive: true });
  await writeFile(join(prefix, "package.json"), "{}");
  const argv = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", prefix, NODE, NPM];
  // npm's own settings come by environment and home directory.
  await run(argv, { timeoutMs: 300_000, env: { ...(process.env as Record<string, string>), NODE_ENV: "" } });
  const modules = "../lib/node20/node_modules";
  await symlink(`${modules}/node-linux-${arch()}/bin/node`, join(root, "usr/local/bin/node"));
  for (const name of ["npm", "npx"]) await symlink(`${modules}/npm/bin/${name}-cli.js`, join(root, "usr/local/bin", name));
}
