import { posix } from "node:path";
import { parse } from "smol-toml";
import { firstOf, type ProjectFiles } from "../files.ts";

/** `project`: what pyproject.toml builds; `list`: only its dependencies, since it says of nothing how it is built. */
export type PythonManager = "pip" | "poetry" | "uv" | "project" | "list";

/** What of a Python project its recipe depends on. */
export interface PythonProject {
  readonly names: readonly string[];
  readonly manager: PythonManager;
  readonly because: string;
  /** Names of packages, in lower case with -. */
  readonly packages: ReadonlySet<string>;
  /** `3.11`. */
  readonly version: string;
  readonly versionBecause?: string;
  /** Installing needs more of the repository than its lists of packages. */
  readonly needsFilesToInstall: boolean;
}

/** What Debian 12 has as well, so that a host without a registry can stand in for it. */
const DEFAULT_VERSION = "3.11";

/** Larger ones nobody writes by hand, and parsing them would hold up others. */
const MAX_TOML = 256 * 1024;

export async function readPythonProject(files: ProjectFiles): Promise<PythonProject | undefined> {
  const names = await files.list("");
  const pyproject = await readPyproject(files);
  const requirements = await readRequirements(files, "requirements.txt");
  const lock = firstOf(names, ["uv.lock", "poetry.lock"]);
  const version = await pythonVersion(files, pyproject?.requires);
  const isPoetry = pyproject?.tool.poetry !== undefined;
  const found: readonly [PythonManager, string] | undefined =
    lock === "uv.lock"
      ? ["uv", "uv.lock is uv's"]
      : lock === "poetry.lock" || isPoetry
        ? ["poetry", lock === undefined ? "pyproject.toml is Poetry's" : "poetry.lock is Poetry's"]
        : names.includes("requirements.txt")
          ? ["pip", "requirements.txt is there"]
          : pyproject?.dependencies !== undefined
            ? pyproject.builds || beforeTomllib(version.version)
              ? ["project", "pyproject.toml describes a project"]
              : ["list", "pyproject.toml lists its packages"]
            : undefined;
  if (found === undefined) return undefined;
  return {
    names,
    manager: found[0],
    because: found[1],
    needsFilesToInstall: found[0] === "pip" ? requirements.some((line) => LOCAL.test(line)) : (pyproject?.hasPaths ?? false),
    packages: new Set([...requirements, ...(pyproject?.dependencies ?? []), ...(pyproject?.tool.poetry ?? [])].flatMap(packageName)),
    version: version.version,
    ...(version.because === undefined ? {} : { versionBecause: version.because }),
  };
}

/** Python reads TOML by itself from 3.11 on. */
function beforeTomllib(version: string): boolean {
  return Number(version.split(".")[1]) < 11;
}

/** Another list, a directory, an archive of the repository (pip's requirements file format). */
const LOCAL = /^\s*(?:-[rcef]\b|--(?:requirement|constraint|editable|find-links)\b|\.{0,2}\/|file:)|@\s*file:/;
const INCLUDED = /^\s*(?:-r|--requirement)(?:\s+|=)?([\w./-]{1,200})/;
const MAX_LISTS = 20;
/** Of all lists together; what is beyond is for pip alone. */
const MAX_LIST_CHARS = 1024 * 1024;

/** The lines of a list and of those that it includes, each list once; none where there is none. */
async function readRequirements(files: ProjectFiles, first: string): Promise<readonly string[]> {
  const lines: string[] = [];
  const lists = [first];
  let left = MAX_LIST_CHARS;
  for (let index = 0; index < Math.min(lists.length, MAX_LISTS); index++) {
    const list = lists[index] ?? "";
    const text = ((await files.read(list)) ?? "").slice(0, left);
    left -= text.length;
    for (const line of text.split("\n")) {
      lines.push(line);
      const included = INCLUDED.exec(line)?.[1];
      const path = included === undefined ? undefined : posix.normalize(posix.join(posix.dirname(list), included));
      if (path !== undefined && !path.startsWith("..") && !lists.includes(path)) lists.push(path);
    }
  }
  return lines;
}

/** `Flask[async]>=3 ; python_version > "3"` → flask (PEP 503 names). */
function packageName(requirement: string): readonly string[] {
  const name = /^\s*([A-Za-z0-9][\w.-]*)/.exec(requirement)?.[1];
  return name === undefined ? [] : [name.toLowerCase().replaceAll(/[-_.]+/g, "-")];
}

interface Pyproject {
  readonly dependencies?: readonly string[];
  readonly requires?: string;
  readonly tool: { readonly poetry?: readonly string[] };
  /** It says by what it is built; without that, its directories are not to be installed as packages. */
  readonly builds: boolean;
  /** Packages that are directories of the repository. */
  readonly hasPaths: boolean;
}

async function readPyproject(files: ProjectFiles): Promise<Pyproject | undefined> {
  const text = await files.read("pyproject.toml");
  if (text === undefined || text.length > MAX_TOML) return undefined;
  let data: unknown;
  try {
    data = parse(text);
  } catch {
    return undefined;
  }
  const at = (...path: readonly string[]) =>
    path.reduce<unknown>(
      (value, key) => (typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined),
      data,
    );
  const dependencies = at("project", "dependencies");
  const requires = at("project", "requires-python") ?? at("tool", "poetry", "dependencies", "python");
  const poetry = at("tool", "poetry", "dependencies");
  return {
    ...(Array.isArray(dependencies) ? { dependencies: dependencies.filter((one) => typeof one === "string") } : {}),
    ...(typeof requires === "string" ? { requires } : {}),
    builds: at("build-system") !== undefined,
    hasPaths: at("tool", "uv", "workspace") !== undefined || /^[^#\n]*\bpath\s*=\s*["']/m.test(text),
    tool: typeof poetry === "object" && poetry !== null ? { poetry: Object.keys(poetry) } : {},
  };
}

async function pythonVersion(files: ProjectFiles, requires: string | undefined): Promise<{ version: string; because?: string }> {
  for (const file of [".python-version", "runtime.txt", ".tool-versions"]) {
    const text = (await files.read(file)) ?? "";
    const version = (file === ".tool-versions" ? /^python[ \t]+(3\.\d{1,2})/m : /(3\.\d{1,2})/).exec(text)?.[1];
    if (version !== undefined) return { version, because: `${file} asks for Python ${version}` };
  }
  const asked = /(?:>=|\^|~=?|==)?\s*3\.(\d{1,2})/.exec(requires ?? "");
  if (asked?.[1] === undefined) return { version: DEFAULT_VERSION };
  const isAtLeast = /^\s*(>=|\^)/.test(requires ?? "") && !/</.test(requires ?? "");
  const minor = isAtLeast ? Math.max(Number(asked[1]), Number(DEFAULT_VERSION.split(".")[1])) : Number(asked[1]);
  return { version: `3.${minor}`, because: `pyproject.toml wants Python ${requires?.slice(0, 40)}` };
}
