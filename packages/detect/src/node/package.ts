import { firstOf, type ProjectFiles, readJson, textsOf } from "../files.ts";

export type ManagerName = "npm" | "pnpm" | "yarn" | "bun";

export interface Manager {
  readonly name: ManagerName;
  /** As `packageManager` in package.json pins it, or what reads the lock file. */
  readonly version?: string;
  /** Yarn from 2 on. */
  readonly berry: boolean;
  readonly lockfile?: string;
  readonly because: string;
}

/** What of a JavaScript project its recipe depends on. */
export interface NodePackage {
  readonly names: readonly string[];
  readonly scripts: Readonly<Record<string, string>>;
  /** Of all kinds. */
  readonly dependencies: Readonly<Record<string, string>>;
  readonly hasProduction: boolean;
  readonly main?: string;
  readonly manager: Manager;
  readonly nodeMajor: number;
  readonly nodeBecause?: string;
  /** Installing needs more than the lists of packages. */
  readonly needsFilesToInstall: boolean;
}

const DEFAULT_MAJOR = 22;
/** Older ones have no image that is still looked after. */
const OLDEST_MAJOR = 18;
const LOCKFILES: Readonly<Record<string, ManagerName>> = {
  "pnpm-lock.yaml": "pnpm",
  "yarn.lock": "yarn",
  "bun.lock": "bun",
  "bun.lockb": "bun",
  "package-lock.json": "npm",
  "npm-shrinkwrap.json": "npm",
};
/** What can stand in a Dockerfile's line. */
const IS_PATH = /^\P{Cc}{1,500}$/u;
const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall", "prepare", "prepublish"];

export async function readPackage(files: ProjectFiles): Promise<NodePackage | undefined> {
  const json = await readJson(files, "package.json");
  if (json === undefined) return undefined;
  const names = await files.list("");
  const scripts = textsOf(json.scripts);
  const production = textsOf(json.dependencies);
  const node = await nodeVersion(files, json);
  const usesWorkspaces = json.workspaces !== undefined || names.includes("pnpm-workspace.yaml");
  const local = Object.values({ ...production, ...textsOf(json.devDependencies) }).some((version) =>
    /^(file|link|workspace|portal|patch):/.test(version),
  );
  return {
    names,
    scripts,
    dependencies: { ...textsOf(json.devDependencies), ...production },
    hasProduction: Object.keys(production).length > 0,
    ...(typeof json.main === "string" && IS_PATH.test(json.main) ? { main: json.main } : {}),
    manager: await managerOf(files, json, names),
    nodeMajor: node.major,
    ...(node.because === undefined ? {} : { nodeBecause: node.because }),
    needsFilesToInstall:
      usesWorkspaces ||
      local ||
      ["patches/", ".yarn/"].some((name) => names.includes(name)) ||
      INSTALL_SCRIPTS.some((name) => scripts[name] !== undefined),
  };
}

async function managerOf(files: ProjectFiles, json: Readonly<Record<string, unknown>>, names: readonly string[]): Promise<Manager> {
  const lockfile = firstOf(names, Object.keys(LOCKFILES));
  const [, pinned, version] =
    typeof json.packageManager === "string" ? (/^(npm|pnpm|yarn|bun)@(\d+\.\d+\.\d+)/.exec(json.packageManager) ?? []) : [];
  const name = (pinned as ManagerName | undefined) ?? LOCKFILES[lockfile ?? ""] ?? "npm";
  const text = lockfile === undefined || name === "npm" || name === "bun" ? "" : ((await files.read(lockfile)) ?? "");
  const berry = name === "yarn" && (names.includes(".yarnrc.yml") || /^__metadata:/m.test(text) || Number(version?.split(".")[0] ?? 1) > 1);
  const fits = version ?? (name === "pnpm" ? pnpmFor(text) : undefined);
  const because =
    pinned !== undefined
      ? `package.json asks for ${name} ${version}`
      : lockfile === undefined
        ? "there is no lock file, so npm installs what is newest"
        : `${lockfile} is ${name}'s`;
  return { name, berry, because, ...(fits === undefined ? {} : { version: fits }), ...(lockfile === undefined ? {} : { lockfile }) };
}

/** The newest pnpm that keeps a lock file as it is (pnpm.io, lockfile versions). */
function pnpmFor(lockfile: string): string {
  const version = Number.parseFloat(/^lockfileVersion:\s*'?([\d.]+)/m.exec(lockfile)?.[1] ?? "9");
  return version >= 9 ? "10" : version >= 6 ? "8" : "7";
}

async function nodeVersion(files: ProjectFiles, json: Readonly<Record<string, unknown>>): Promise<{ major: number; because?: string }> {
  for (const file of [".nvmrc", ".node-version"]) {
    const major = Number(/^v?(\d+)/.exec((await files.read(file))?.trim() ?? "")?.[1] ?? Number.NaN);
    if (major >= OLDEST_MAJOR) return { major, because: `${file} asks for Node ${major}` };
  }
  const engines = textsOf(json.engines).node;
  if (engines === undefined) return { major: DEFAULT_MAJOR };
  const asked = Number(/(\d+)/.exec(engines)?.[1] ?? Number.NaN);
  // "At least": what we would take anyway is as good where it is newer.
  const major = /^\s*(>=?|\*)/.test(engines) && !/<|\|\|/.test(engines) ? Math.max(asked, DEFAULT_MAJOR) : asked;
  return major >= OLDEST_MAJOR ? { major, because: `package.json wants Node ${engines.slice(0, 40)}` } : { major: DEFAULT_MAJOR };
}
