import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import { join, relative } from "node:path";
import { runLogged } from "./program.mjs";

/** Made by builds and installs, so no sign of a change. */
const NOT_SOURCE = new Set(["node_modules", ".next", ".turbo", "generated", "test-results", "coverage", "next-env.d.ts"]);

/**
 * Node 24, from npm: everything but this bootstrap runs on it.
 * @param {string} root
 */
export function nodeDirectory(root) {
  return join(root, "node_modules", `node-linux-${arch()}`);
}

/**
 * Whether node_modules is what package-lock.json says. npm keeps its own record of what it installed; platforms' optional packages
 * may be missing from it.
 * @param {string} root
 */
export function npmPackagesInstalled(root) {
  const record = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(record) || !existsSync(join(nodeDirectory(root), "bin", "node"))) return false;
  /** @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean }} Locked */
  /** @type {(path: string) => Record<string, Locked>} */
  const read = (path) => JSON.parse(readFileSync(path, "utf8")).packages;
  const installed = read(record);
  return Object.entries(read(join(root, "package-lock.json")))
    .filter(([path, locked]) => path.includes("node_modules/") && !locked.link)
    .every(([path, locked]) => {
      const here = installed[path];
      return here === undefined ? locked.optional === true : here.version === locked.version && here.integrity === locked.integrity;
    });
}

/**
 * `npm ci` without install scripts: nothing of a dependency runs as root on its arrival, and no native add-on is built for another
 * Node than the one that will load it. What has native parts ships them in its package; ssh2's optional ones are left out.
 * @param {string} root
 * @param {{ logPath: string }} options
 */
export async function installNpmPackages(root, { logPath }) {
  const env = { ...process.env, npm_config_nodedir: nodeDirectory(root), NODE_ENV: "" };
  await runLogged(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: root, logPath, env });
}

/**
 * Where Node keeps what it made of our TypeScript. With it a process starts faster and takes 22 MB less (measured on the supervisor):
 * it need not load the compiler that strips the types.
 * @param {string} root
 */
export function compileCacheOf(root) {
  return join(root, "node_modules", ".plimsoll", "compile-cache");
}

/**
 * Does work only when the files it depends on have changed since it last succeeded.
 * @param {{ root: string, name: string, sources: readonly string[], output: string, work: () => Promise<void> }} task
 * @returns {Promise<"done" | "unchanged">}
 */
export async function whenChanged({ root, name, sources, output, work }) {
  const stampPath = join(root, "node_modules", ".plimsoll", `${name}.stamp`);
  const stamp = hashSources(root, sources);
  if (existsSync(output) && existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp) return "unchanged";
  await work();
  mkdirSync(join(root, "node_modules", ".plimsoll"), { recursive: true });
  writeFileSync(stampPath, stamp);
  return "done";
}

/**
 * One hash over names and contents of all files under the given paths; a path that does not exist adds nothing.
 * @param {string} root
 * @param {readonly string[]} sources relative to root
 */
export function hashSources(root, sources) {
  const hash = createHash("sha256");
  for (const source of sources) {
    for (const path of listFiles(join(root, source))) {
      hash.update(`${relative(root, path)}\0`);
      hash.update(readFileSync(path));
    }
  }
  return hash.digest("hex");
}

/** @param {string} path @returns {string[]} */
function listFiles(path) {
  if (!existsSync(path)) return [];
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => !NOT_SOURCE.has(entry.name) && !entry.isSymbolicLink())
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((entry) => (entry.isDirectory() ? listFiles(join(path, entry.name)) : [join(path, entry.name)]));
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOTDIR") return [path];
    throw error;
  }
}
