import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseSync } from "oxc-parser";

export interface Import {
  /** As written. */
  readonly specifier: string;
  readonly line: number;
  readonly typeOnly: boolean;
  /** The file of this tree that it means, relative to the tree's root; undefined for a library. */
  readonly file: string | undefined;
}

export interface SourceFile {
  /** Relative to the tree's root. */
  readonly path: string;
  /** `core`, or `apps/server`. */
  readonly unit: string;
  readonly imports: readonly Import[];
  /** Why it could not be read: then nothing is known of its imports. */
  readonly unreadable?: { readonly line: number; readonly message: string };
}

const SOURCE = /\.(ts|tsx|mts|cts|js|mjs|cjs|jsx)$/;
const NOT_SOURCE = new Set(["node_modules", ".next", "generated", "dist"]);

/** Every source file of packages and apps, with all that it imports: static, re-exported, dynamic, required. */
export function readSourceFiles(root: string): readonly SourceFile[] {
  const units = ["packages", "apps"].flatMap((group) =>
    namesIn(join(root, group)).map((name) => ({ unit: group === "apps" ? `apps/${name}` : name, folder: join(root, group, name) })),
  );
  return units.flatMap(({ unit, folder }) =>
    listSources(folder).map((path) => ({ unit, path: relative(root, path), ...readImports(root, folder, path) })),
  );
}

function readImports(root: string, folder: string, path: string): Pick<SourceFile, "imports" | "unreadable"> {
  const source = readFileSync(path, "utf8");
  const { module, program, errors } = parseSync(path, source);
  const lineAt = (offset: number) => source.slice(0, offset).split("\n").length;
  const [error] = errors;
  if (error !== undefined) return { imports: [], unreadable: { line: lineAt(error.labels[0]?.start ?? 0), message: error.message } };
  const found: { specifier: string; at: number; typeOnly: boolean }[] = [];
  for (const { moduleRequest, entries, start } of module.staticImports) {
    found.push({ specifier: moduleRequest.value, at: start, typeOnly: entries.length > 0 && entries.every(({ isType }) => isType) });
  }
  for (const { entries, start } of module.staticExports) {
    for (const { moduleRequest, isType } of entries) {
      if (moduleRequest !== null) found.push({ specifier: moduleRequest.value, at: start, typeOnly: isType });
    }
  }
  walk(program, (node) => {
    const specifier = requestedBy(node);
    if (specifier !== undefined) found.push({ specifier, at: Number(node.start ?? 0), typeOnly: node.type === "TSImportType" });
  });
  return {
    imports: found.map(({ specifier, at, typeOnly }) => ({
      specifier,
      typeOnly,
      line: lineAt(at),
      file: resolveInTree(root, folder, path, specifier),
    })),
  };
}

type Node = Readonly<Record<string, unknown>>;

/** What import(), require(), import x = require(), import("x").T and process.getBuiltinModule() ask for, when it is a literal. */
function requestedBy(node: Node): string | undefined {
  const literal = (value: unknown) => {
    const { value: text } = (value ?? {}) as { value?: unknown };
    return typeof text === "string" ? text : undefined;
  };
  const [first] = (node.arguments ?? []) as unknown[];
  const callee = (node.callee ?? {}) as { name?: string; property?: { name?: string } };
  switch (node.type) {
    case "ImportExpression":
      return literal(node.source);
    case "TSImportType":
      return literal(node.source ?? node.argument);
    case "TSExternalModuleReference":
      return literal(node.expression);
    case "CallExpression":
      return callee.name === "require" || callee.property?.name === "getBuiltinModule" ? literal(first) : undefined;
    default:
      return undefined;
  }
}

function walk(node: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(node)) {
    for (const item of node) walk(item, visit);
  } else if (typeof node === "object" && node !== null) {
    if (typeof (node as Node).type === "string") visit(node as Node);
    for (const value of Object.values(node)) walk(value, visit);
  }
}

/** Relative paths, and a package's own `#…` paths, which here always mean `src/…`. */
function resolveInTree(root: string, folder: string, path: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return relative(root, withEnding(resolve(dirname(path), specifier)));
  if (specifier.startsWith("#")) return relative(root, withEnding(join(folder, "src", specifier.slice(1))));
  return undefined;
}

function withEnding(path: string): string {
  const candidates = [path, ...[".ts", ".tsx", "/index.ts"].map((ending) => `${path}${ending}`)];
  return candidates.find((candidate) => SOURCE.test(candidate) && existsSync(candidate)) ?? path;
}

function listSources(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (NOT_SOURCE.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return listSources(path);
    return SOURCE.test(entry.name) ? [path] : [];
  });
}

function namesIn(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}
