/**
 * `npm run test:chaos`: kills processes of a platform of its own in the middle of deploys. Without arguments the short table, `--full` the
 * whole one, `--seed N` a hundred random cells (`--count` another number), `--only process@boundary` one cell again.
 */
import { parseArgs } from "node:util";
import { usePlatform } from "../support/platform.ts";
import { BOUNDARIES } from "./boundaries.ts";
import { type Cell, runCell } from "./cell.ts";
import { createChaosApp } from "./chaos-app.ts";
import { randomCells, shortTable, wholeTable } from "./table.ts";

const { values } = parseArgs({
  options: {
    full: { type: "boolean", default: false },
    seed: { type: "string" },
    count: { type: "string", default: "100" },
    only: { type: "string", multiple: true },
  },
});

function chosenCells(): readonly Cell[] {
  if (values.only !== undefined) return values.only.map(parseCell);
  if (values.seed === undefined) return values.full ? wholeTable() : shortTable();
  const seed = values.seed === "" ? Date.now() % 1_000_000 : Number(values.seed);
  console.log(`seed ${seed}`);
  return randomCells(seed, Number(values.count));
}

function parseCell(text: string): Cell {
  const [process = "", boundary = ""] = text.split("@");
  const cell = [...wholeTable(), ...BOUNDARIES.map((one): Cell => ({ process: "flush redis", boundary: one }))].find(
    (one) => one.process === process && one.boundary === boundary,
  );
  if (cell === undefined) throw new Error(`${text} is no cell; for example: server@received`);
  return cell;
}

async function main(): Promise<number> {
  const cells = chosenCells();
  const { platform, stop } = await usePlatform();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop().finally(() => process.exit(130)));
  let broken = 0;
  try {
    const app = await createChaosApp(platform, "chaos");
    try {
      for (const [index, cell] of cells.entries()) {
        const label = `${String(index + 1).padStart(3)}/${cells.length} kill ${cell.process} at ${cell.boundary}`;
        const report = await runCell(platform, app, cell, `chaos-${Date.now()}`).catch((error: unknown) => ({
          broken: [`the experiment failed: ${error instanceof Error ? error.message : String(error)}`],
          outcome: "unknown",
          tookMs: 0,
          sighting: { boundary: cell.boundary },
        }));
        const passed = report.sighting.boundary === cell.boundary ? "" : ` (seen at ${report.sighting.boundary})`;
        console.log(
          `${report.broken.length === 0 ? "✔" : "✖"} ${label}${passed}: ${report.outcome}, ${(report.tookMs / 1_000).toFixed(1)} s`,
        );
        for (const sentence of report.broken) console.log(`      ${sentence.replaceAll("\n", "\n      ")}`);
        if (report.broken.length > 0) broken++;
      }
    } finally {
      await app.app.remove();
    }
  } finally {
    await stop();
  }
  console.log(`${cells.length - broken} held, ${broken} broken`);
  return broken === 0 ? 0 : 1;
}

process.exitCode = await main();
