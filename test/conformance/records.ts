import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ARCHIVES } from "./archives.ts";
import { DERIVED } from "./bases.ts";
import type { Case, Outcome } from "./case.ts";

/** What the engine made of every case that it knows, so that ours is compared where there is no engine. */
interface Records {
  readonly oracle: string;
  readonly cases: Readonly<Record<string, { readonly input: string; readonly outcome: Outcome }>>;
}

/** What fills the bases: a change of it asks for new records. */
const BASES_SOURCE = readFileSync(join(import.meta.dirname, "bases.ts"), "utf8");
const FILE = join(import.meta.dirname, "recorded/outcomes.jsonl");

/** A line for the engine, then one for each case. */
export function readRecords(): Records {
  if (!existsSync(FILE)) return { oracle: "none", cases: {} };
  const [head = "{}", ...lines] = readFileSync(FILE, "utf8").trimEnd().split("\n");
  const { oracle } = JSON.parse(head) as { oracle: string };
  const entries = lines.map((line) => JSON.parse(line) as { name: string; input: string; outcome: Outcome });
  return { oracle, cases: Object.fromEntries(entries.map(({ name, ...record }) => [name, record])) };
}

/** Writes what was found out now; of the other cases what is known stays, where it was recorded for the same input. */
export function writeRecords(oracle: string, all: readonly Case[], found: ReadonlyMap<Case, Outcome>): void {
  const byName = new Map([...found].map(([one, outcome]) => [one.name, outcome]));
  const known = readRecords().cases;
  const entries = all.flatMap((one) => {
    const input = inputOf(one);
    const outcome = byName.get(one.name) ?? (known[one.name]?.input === input ? known[one.name]?.outcome : undefined);
    return outcome === undefined || one.reference !== undefined ? [] : [{ name: one.name, input, outcome }];
  });
  const lines = [{ oracle }, ...entries.sort((a, b) => (a.name < b.name ? -1 : 1))].map((line) => `${JSON.stringify(line)}\n`);
  writeFileSync(FILE, lines.join(""));
}

/** The outcome to expect: the reference's where the case gives one, else the recorded one. Throws where it was recorded for another input. */
export function expectedOf(one: Case, records: Records): Outcome {
  if (one.reference !== undefined) return one.reference;
  const record = Object.hasOwn(records.cases, one.name) ? records.cases[one.name] : undefined;
  if (record?.input !== inputOf(one))
    throw new Error(`the case "${one.name}" is new or was changed: run npm run test:conformance -- --record`);
  return record.outcome;
}

/** A digest of all that the engine is given. */
function inputOf({ dockerfile, files, args, secrets, target, path }: Case): string {
  const bytes = (_: string, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value);
  const served = Object.values(args ?? {}).some((value) => value.includes("{{server}}")) ? ARCHIVES : undefined;
  const derived = Object.entries(DERIVED).filter(([name]) => dockerfile.includes(name));
  const text = JSON.stringify({ dockerfile, files, args, secrets, target, path, served, derived, bases: BASES_SOURCE }, bytes);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
