import type { Import, SourceFile } from "./imports.ts";
import { isTestCode, MAY_IMPORT, SOLE_IMPORTERS } from "./rules.ts";

/** One import that DESIGN does not allow, as a person reads it. */
export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

const SCOPE = "@plimsoll/";

/** Every violation of the layers in these files, in their order. Pure. `exports` holds what each package lets others import. */
export function judge(files: readonly SourceFile[], exports: ReadonlyMap<string, ReadonlySet<string>>): readonly Violation[] {
  const unreadable = files.flatMap(({ path, unreadable: reason }) =>
    reason === undefined
      ? []
      : [{ path, line: reason.line, message: `cannot be read, so nobody knows what it imports: ${reason.message}` }],
  );
  const single = files.flatMap((file) =>
    file.imports.flatMap((one) => {
      const message = judgeImport(file, one, exports);
      return message === undefined ? [] : [{ path: file.path, line: one.line, message }];
    }),
  );
  return [...unreadable, ...single, ...findCycles(files)];
}

function judgeImport(file: SourceFile, one: Import, exports: ReadonlyMap<string, ReadonlySet<string>>): string | undefined {
  if (one.specifier.startsWith(SCOPE)) return judgePackageImport(file, one, exports);
  if (one.file !== undefined) return judgeFileImport(file, one.file, one.specifier);
  const rule = SOLE_IMPORTERS.find(({ library }) => library.test(one.specifier));
  if (rule !== undefined && !rule.only.includes(file.unit)) {
    return `${one.specifier} is for ${rule.only.join(" and ")} alone: ${rule.why}`;
  }
  return undefined;
}

function judgePackageImport(
  file: SourceFile,
  { specifier }: Import,
  exports: ReadonlyMap<string, ReadonlySet<string>>,
): string | undefined {
  const [name = "", ...rest] = specifier.slice(SCOPE.length).split("/");
  const door = rest.length === 0 ? "." : `./${rest.join("/")}`;
  const inTest = isTestCode(file.path);
  if (name === "testkit") return inTest || file.unit === "testkit" ? undefined : "testkit is for tests: production code never imports it";
  if (!exports.get(name)?.has(door)) return `${specifier} reaches past the front of ${name}: import what its index exports`;
  if (door.startsWith("./testing") && !inTest) return `${specifier} is for tests: production code never imports it`;
  if (name === file.unit) return `${specifier} is this package: import the file`;
  const allowed = MAY_IMPORT[file.unit];
  if (allowed === undefined) return `${file.unit} has no layer yet: add it to scripts/layers/rules.ts`;
  return allowed.includes(name) ? undefined : `${file.unit} must not import ${name}: it may import ${allowed.join(", ") || "nothing"}`;
}

function judgeFileImport(file: SourceFile, target: string, specifier: string): string | undefined {
  const home = file.unit.startsWith("apps/") ? `${file.unit}/` : `packages/${file.unit}/`;
  if (!target.startsWith(home)) return `${specifier} leaves the package: import @plimsoll/… instead`;
  if (isTestCode(target) && !isTestCode(file.path)) return `${specifier} is code for tests: production code never imports it`;
  return undefined;
}

/** Each cycle of imports between files once, at its first file. Types count: a file that needs another to be understood imports it. */
function findCycles(files: readonly SourceFile[]): readonly Violation[] {
  const known = new Map(files.map((file) => [file.path, file]));
  const finished = new Set<string>();
  const trail: string[] = [];
  const violations: Violation[] = [];
  const visit = (path: string) => {
    if (finished.has(path)) return;
    const begin = trail.indexOf(path);
    if (begin !== -1) {
      const cycle = [...trail.slice(begin), path];
      violations.push({ path, line: 1, message: `import cycle: ${cycle.join(" → ")}` });
      return;
    }
    trail.push(path);
    for (const { file } of known.get(path)?.imports ?? []) if (file !== undefined && known.has(file)) visit(file);
    trail.pop();
    finished.add(path);
  };
  for (const { path } of files) visit(path);
  return violations;
}
