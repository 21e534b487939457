import type { Case } from "./case.ts";
import type { Result } from "./run.ts";

/** How many cases are about each feature, instructions first by name. */
export function countFeatures(cases: readonly Case[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { features } of cases) for (const feature of features) counts.set(feature, (counts.get(feature) ?? 0) + 1);
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The whole run, for people. */
export function describeRun(results: readonly Result[], oracle: string): string {
  const of = (kind: Result["verdict"]["kind"]) => results.filter(({ verdict }) => verdict.kind === kind);
  const lines = [`Cases by feature:`];
  for (const [feature, count] of countFeatures(results.map(({ one }) => one))) lines.push(`  ${String(count).padStart(4)}  ${feature}`);
  for (const { one, verdict } of results) {
    if (verdict.kind === "differs") lines.push(`differs on purpose: ${one.name}: ${verdict.why}`);
    if (verdict.kind === "refused") lines.push(`refused: ${one.name}: ${verdict.message}`);
    if (verdict.kind === "wrong") lines.push(`WRONG: ${one.name}`, ...verdict.differences.map((difference) => `  ${difference}`));
  }
  const byReference = results.filter(({ one }) => one.reference !== undefined).length;
  lines.push(
    `${results.length} cases: ${of("agrees").length} agree, ${of("differs").length} differ on purpose, ${of("refused").length} refused, ` +
      `${of("wrong").length} wrong.`,
    `${results.length - byReference} judged by ${oracle}, ${byReference} by the reference, which knows what that engine does not.`,
  );
  return lines.join("\n");
}
