import { describe, expect, it } from "vitest";
import type { Case } from "./case.ts";
import { strayDeviations } from "./cases/deviations.ts";
import { allCases } from "./cases/index.ts";
import { expectedOf, readRecords } from "./records.ts";
import { countFeatures, type describeRun } from "./report.ts";
import { compareAll } from "./run.ts";

/**
 * A build with a step starts a process of its own: of those, one in nine, which keeps this under half a minute. All of them:
 * `npm run test:conformance -- --recorded`.
 */
function chosenCases(): readonly Case[] {
  const hasStep = ({ dockerfile }: Case) => /(?:^|\n)\s*(?:RUN|COPY|ADD|WORKDIR)\b|FROM (?:onbuild|configured)/i.test(dockerfile);
  const [quick, slow] = [allCases().filter((one) => !hasStep(one)), allCases().filter(hasStep)];
  return [...quick, ...slow.filter((_, index) => index % 9 === 0)];
}

/** What the builder refuses as yet. */
const NOT_YET: readonly string[] = ["RUN --mount=ssh"];

describe("conformance with the Docker engine, as recorded", () => {
  it("has an outcome recorded or a reference for each case", () => {
    const records = readRecords();
    expect(records.oracle).toContain("BuildKit");
    for (const one of allCases()) expect(() => expectedOf(one, records)).not.toThrow();
    expect(strayDeviations(allCases())).toEqual([]);
    expect(allCases().length).toBeGreaterThanOrEqual(250);
    expect(countFeatures(allCases()).size).toBeGreaterThanOrEqual(50);
  });

  it("agrees in what it builds", { timeout: 300_000 }, async () => {
    const records = readRecords();
    const cases = chosenCases();
    const results = await compareAll(cases, (one) => expectedOf(one, records));
    expect(results.filter(({ verdict }) => verdict.kind === "wrong").map(describeOne)).toEqual([]);
    const refused = results.filter(
      ({ verdict, one }) => verdict.kind === "refused" && !one.features.some((name) => NOT_YET.includes(name)),
    );
    expect(refused.map(describeOne)).toEqual([]);
  });
});

function describeOne(result: Parameters<typeof describeRun>[0][number]): string {
  return `${result.one.name}: ${JSON.stringify(result.verdict)}`;
}
