import { problemAt } from "../problem.ts";
import { readCommand } from "./command.ts";
import { Flags } from "./flags.ts";
import type { HealthcheckInstruction } from "./instruction.ts";
import type { RawInstruction } from "./lines.ts";

const UNITS_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  "\u00b5s": 1e3,
  "\u03bcs": 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y;
const MIN_NS = 1e6;

export function readHealthcheck(raw: RawInstruction): HealthcheckInstruction {
  const [, word = "", rest = ""] = /^(\S*)\s*(.*)$/s.exec(raw.rest) ?? [];
  const kind = word.toUpperCase();
  if (kind === "NONE") {
    if (rest !== "") throw problemAt(raw.at, "dockerfile", "HEALTHCHECK NONE stands alone; remove what follows.");
    return { type: "healthcheck", kind: "none" };
  }
  if (kind !== "CMD") {
    const what = word === "" ? "nothing" : `"${word.slice(0, 40)}"`;
    throw problemAt(
      raw.at,
      "dockerfile",
      `HEALTHCHECK is followed by CMD or NONE, not ${what}; write HEALTHCHECK CMD curl -f http://localhost/`,
    );
  }
  const flags = Flags.read(raw, { interval: "text", timeout: "text", "start-period": "text", "start-interval": "text", retries: "text" });
  if (rest === "")
    throw problemAt(raw.at, "dockerfile", "HEALTHCHECK CMD needs a command, as in HEALTHCHECK CMD curl -f http://localhost/");
  const command = readCommand(raw, rest);
  if (command.form === "exec" && command.argv.length === 0) {
    throw problemAt(raw.at, "dockerfile", "HEALTHCHECK CMD [] has no program; name one, or write HEALTHCHECK NONE.");
  }
  const duration = (name: string) => readDuration(raw, name, flags.text(name) ?? "");
  return {
    type: "healthcheck",
    kind: "cmd",
    command,
    ...optional("intervalNs", duration("interval")),
    ...optional("timeoutNs", duration("timeout")),
    ...optional("startPeriodNs", duration("start-period")),
    ...optional("startIntervalNs", duration("start-interval")),
    ...optional("retries", readRetries(raw, flags.text("retries") ?? "")),
  };
}

/** Zero means as much as absent: the default. */
function optional<K extends string>(name: K, value: number): Partial<Record<K, number>> {
  return value === 0 ? {} : ({ [name]: value } as Record<K, number>);
}

function readDuration({ at }: RawInstruction, name: string, text: string): number {
  if (text === "") return 0;
  const nanoseconds = parseDuration(text);
  if (nanoseconds === undefined || nanoseconds > Number.MAX_SAFE_INTEGER) {
    throw problemAt(at, "dockerfile", `--${name}=${text.slice(0, 40)} is no duration; write it as in --${name}=30s, 1m30s or 500ms.`);
  }
  if (nanoseconds !== 0 && nanoseconds < MIN_NS) throw problemAt(at, "dockerfile", `--${name} cannot be less than 1ms; make it longer.`);
  return nanoseconds;
}

/** Go's time.ParseDuration: `1h2m3.5s`. Undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const sign = text.startsWith("-") ? -1 : 1;
  const bare = text.replace(/^[-+]/, "");
  if (bare === "0") return 0;
  let total = 0;
  let end = 0;
  PART.lastIndex = 0;
  for (let match = PART.exec(bare); match !== null; match = PART.exec(bare)) {
    total += Math.trunc(Number(match[1]) * (UNITS_NS[match[2] ?? ""] ?? 0));
    end = PART.lastIndex;
  }
  return end === bare.length && end > 0 ? sign * total : undefined;
}

function readRetries({ at }: RawInstruction, text: string): number {
  if (text === "") return 0;
  const retries = /^[-+]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(retries >= 0 && retries <= 0x7fffffff)) {
    throw problemAt(at, "dockerfile", `--retries=${text.slice(0, 40)} is no count; write a number, as in --retries=3.`);
  }
  return retries;
}
