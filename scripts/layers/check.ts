import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readSourceFiles } from "./imports.ts";
import { judge, type Violation } from "./judge.ts";

/** Every violation of the layers in the packages and apps of a tree, and how many files were read. */
export function checkLayers(root: string): { readonly files: number; readonly violations: readonly Violation[] } {
  const files = readSourceFiles(root);
  return { files: files.length, violations: judge(files, readExports(root)) };
}

/** What each package lets others import: the names in `exports` of its package.json. */
function readExports(root: string): ReadonlyMap<string, ReadonlySet<string>> {
  const folder = join(root, "packages");
  return new Map(
    readdirSync(folder)
      .map((name) => ({ name, manifest: join(folder, name, "package.json") }))
      .filter(({ manifest }) => existsSync(manifest))
      .map(({ name, manifest }) => {
        const { exports } = JSON.parse(readFileSync(manifest, "utf8")) as { exports?: Record<string, unknown> };
        return [name, new Set(Object.keys(exports ?? {}))];
      }),
  );
}
