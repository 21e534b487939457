import { problemAt, type SourceLocation } from "../problem.ts";

/** More names than a config of people has; every instruction copies them. */
const MAX_NAMES = 2_000;
/** Linux starts no program with a longer one (MAX_ARG_STRLEN). */
const MAX_VALUE = 128 * 1024;
const MAX_TOTAL = 1024 * 1024;

/** Throws BuildProblem for variables that no program can be started with. */
export function checkVariables(variables: ReadonlyMap<string, string>, at: SourceLocation): void {
  let total = 0;
  for (const [name, value] of variables) {
    checkValue(name, value, at);
    total += name.length + value.length + 2;
  }
  checkCount(variables.size, "variables", at);
  if (total > MAX_TOTAL) throw problemAt(at, "dockerfile", "All variables together take more than 1 MiB; keep large values in files.");
}

export function checkValue(name: string, value: string, at: SourceLocation): void {
  if (name.length + value.length < MAX_VALUE) return;
  throw problemAt(at, "dockerfile", `The value of ${name.slice(0, 100)} is longer than 128 KiB; keep large values in files.`);
}

export function checkCount(count: number, what: string, at: SourceLocation): void {
  if (count > MAX_NAMES) throw problemAt(at, "dockerfile", `More than ${MAX_NAMES} ${what} are not kept; use fewer.`);
}
