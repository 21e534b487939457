/**
 * `node test/conformance/faults-main.ts [TEXT…]`: puts each fault of faults.ts (whose text has one of these) into a copy of the sources and builds the case that has to notice it,
 * as recorded: no Docker engine is needed. Exit code 1 when a case does not notice, or fails without a fault.
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { run } from "@plimsoll/exec";
import { FAULTS, type Fault } from "./faults.ts";
import { inParallel } from "./run.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const COPIED = ["package.json", "packages", "scripts", "test"];
const RUN_TIMEOUT_MS = 300_000;

/** The sources, with every package found in the copy and everything else where it is. */
async function copySources(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), "plimsoll-conformance-faults-"));
  const filter = (path: string) => !["node_modules", ".next"].includes(basename(path));
  for (const name of COPIED) await cp(join(ROOT, name), join(copy, name), { recursive: true, filter });
  const modules = join(copy, "node_modules");
  await mkdir(join(modules, "@plimsoll"), { recursive: true });
  for (const name of await readdir(join(ROOT, "node_modules")))
    if (name !== "@plimsoll") await symlink(join(ROOT, "node_modules", name), join(modules, name));
  for (const name of await readdir(join(copy, "packages"))) await symlink(join(copy, "packages", name), join(modules, "@plimsoll", name));
  return copy;
}

/** What the cases say in a copy: names of those that are wrong. */
async function wrongCases(copy: string, names: readonly string[]): Promise<readonly string[]> {
  const argv = [process.execPath, join(copy, "test/conformance/main.ts"), "--recorded", ...names.flatMap((name) => ["--only", name])];
  const { stdout } = await run(argv, { cwd: copy, timeoutMs: RUN_TIMEOUT_MS, okCodes: [0, 1] });
  if (!/^\d+ cases: /m.test(stdout)) throw new Error(`nothing was compared: ${stdout.slice(-500)}`);
  return stdout.split("\n").flatMap((line) => (line.startsWith("WRONG: ") ? [line.slice("WRONG: ".length)] : []));
}

async function isNoticed({ what, file, find, replace, caughtBy }: Fault): Promise<boolean> {
  const copy = await copySources();
  try {
    const path = join(copy, "packages/builder/src", file);
    const source = await readFile(path, "utf8");
    if (source.split(find).length !== 2) throw new Error(`"${what}" has no one place in ${file} any more; renew it in faults.ts`);
    await writeFile(
      path,
      source.replace(find, () => replace),
    );
    const wrong = await wrongCases(copy, [caughtBy]);
    console.log(`${wrong.includes(caughtBy) ? "noticed" : "NOT NOTICED"}: ${what} (${caughtBy})`);
    return wrong.includes(caughtBy);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function main(): Promise<number> {
  const chosen = FAULTS.filter(({ what }) => process.argv.length < 3 || process.argv.slice(2).some((text) => what.includes(text)));
  const control = await wrongCases(ROOT, [...new Set(chosen.map(({ caughtBy }) => caughtBy))]);
  for (const name of control) console.log(`fails without a fault: ${name}`);
  const noticed = await inParallel(chosen, isNoticed);
  const count = noticed.filter(Boolean).length;
  console.log(`${count} of ${chosen.length} planted faults are noticed`);
  return count === chosen.length && control.length === 0 ? 0 : 1;
}

process.exitCode = await main();
