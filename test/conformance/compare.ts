import { isDeepStrictEqual } from "node:util";
import { type Case, isError, type Outcome } from "./case.ts";
import type { Ours } from "./ours.ts";

export type Verdict =
  | { readonly kind: "agrees" }
  /** Ours differs as the case says that it shall. */
  | { readonly kind: "differs"; readonly why: string }
  /** Ours does not have the feature yet, and said so. */
  | { readonly kind: "refused"; readonly message: string }
  | { readonly kind: "wrong"; readonly differences: readonly string[] };

/** Judges what ours made of a case, against the expected outcome: the engine's, or the reference's. Pure. */
export function judge(one: Case, expected: Outcome, ours: Ours): Verdict {
  const wanted = one.differs?.ours ?? withoutStubs(one, expected);
  const differences = differencesOf(one, wanted, ours);
  if (differences.length === 0) return one.differs === undefined ? { kind: "agrees" } : { kind: "differs", why: one.differs.why };
  if (ours.kind === "refused") return { kind: "refused", message: ours.message };
  return { kind: "wrong", differences };
}

function withoutStubs({ stubs = [] }: Case, expected: Outcome): Outcome {
  if (isError(expected)) return expected;
  const isStub = ([path, entry]: readonly [string, string]) => entry === "d 755" && stubs.includes(path);
  return { ...expected, tree: Object.fromEntries(Object.entries(expected.tree).filter((entry) => !isStub(entry))) };
}

function differencesOf(one: Case, wanted: Outcome, ours: Ours): readonly string[] {
  if (isError(wanted)) {
    if (ours.kind === "image") return [`builds, where it has to fail: ${wanted.error}`];
    return placeOf(one, ours);
  }
  if (ours.kind !== "image") return [`fails: ${ours.message}${ours.line === undefined ? "" : ` (line ${ours.line})`}`];
  if (isError(ours.outcome)) return [ours.outcome.error];
  return [
    ...compareRecords("tree", wanted.tree, ours.outcome.tree),
    ...compareRecords("config", { ...wanted.config }, { ...ours.outcome.config }),
  ];
}

/** An error has to say where it is. */
function placeOf(one: Case, ours: Ours & { readonly kind: "refused" | "error" }): readonly string[] {
  if (ours.kind === "refused" && one.differs === undefined && !one.features.includes("refusal")) return [`refused: ${ours.message}`];
  if (ours.message.startsWith("internal: ")) return [`breaks, where it has to refuse: ${ours.message}`];
  if (ours.file === undefined || ours.line === undefined) return [`fails without file and line: ${ours.message}`];
  if (one.line !== undefined && ours.line !== one.line) return [`fails at line ${ours.line}, not ${one.line}: ${ours.message}`];
  return [];
}

function compareRecords(
  what: string,
  wanted: Readonly<Record<string, unknown>>,
  got: Readonly<Record<string, unknown>>,
): readonly string[] {
  const keys = [...new Set([...Object.keys(wanted), ...Object.keys(got)])].sort();
  return keys
    .filter((key) => !isDeepStrictEqual(wanted[key], got[key]))
    .map((key) => `${what} ${key}: expected ${JSON.stringify(wanted[key]) ?? "nothing"}, ours ${JSON.stringify(got[key]) ?? "nothing"}`);
}
