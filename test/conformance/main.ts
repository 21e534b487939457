/**
 * `npm run test:conformance [-- --short] [-- --record] [-- --recorded] [-- --only TEXT]`: builds every case with the Docker engine of Debian and with ours,
 * and compares trees and configs. Exit code 1 when a case is wrong. `--record` writes what the engine made into `recorded/`; `--recorded`
 * compares with that and needs no engine; `--only` takes the cases whose names have the text.
 */
import { parseArgs } from "node:util";
import { removeOwnHosts } from "../../packages/builder/src/testing/build-host.ts";
import type { Case, Outcome } from "./case.ts";
import { allCases, shortCases } from "./cases/index.ts";
import { startOracle } from "./oracle.ts";
import { readRecords, expectedOf as recordedOf, writeRecords } from "./records.ts";
import { describeRun } from "./report.ts";
import { compareAll, inParallel } from "./run.ts";

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      short: { type: "boolean", default: false },
      record: { type: "boolean", default: false },
      recorded: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
    },
  });
  const cases = (values.short ? shortCases() : allCases()).filter(
    ({ name }) => values.only.length === 0 || values.only.some((text) => name.includes(text)),
  );
  const outcomes = new Map<Case, Outcome>();
  let version = readRecords().oracle;
  if (!values.recorded) {
    const oracle = await startOracle({ install: !values.short });
    if (oracle === undefined) {
      console.log("docker.io is not installed, and a short run installs nothing: nothing is compared.");
      return 0;
    }
    version = oracle.version;
    try {
      const asked = cases.filter(({ reference }) => reference === undefined);
      await inParallel(asked, async (one) => {
        const outcome = await oracle.build(one).catch((error: unknown) => {
          throw new Error(`the engine cannot be asked about "${one.name}"`, { cause: error });
        });
        outcomes.set(one, outcome);
      });
    } finally {
      await oracle.close();
    }
    if (values.record) writeRecords(version, allCases(), outcomes);
  }
  const records = readRecords();
  const results = await compareAll(cases, (one) => one.reference ?? outcomes.get(one) ?? recordedOf(one, records));
  console.log(describeRun(results, version));
  return results.some(({ verdict }) => verdict.kind === "wrong") ? 1 : 0;
}

// What a killed engine or builder left would else stay until the next run.
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void removeOwnHosts().finally(() => process.exit(signal === "SIGINT" ? 130 : 143)));

process.exitCode = await main();
