import type { BuildLimits } from "@plimsoll/core";
import { bytesAsTyped, parseQuantity } from "./quantity.ts";

export type BuildLimitName = Exclude<keyof BuildLimits, "mostMemoryBytes">;

/** A limit of one build: what `plim limits set` calls it, and how it is typed. */
interface TypedLimit {
  readonly name: BuildLimitName;
  readonly word: string;
  readonly text: (amount: number) => string;
  /** Undefined for what is no amount. */
  readonly parse: (text: string) => number | undefined;
}

const bytes = { text: bytesAsTyped, parse: (text: string) => parseQuantity("memoryBytes", text) };
const whole = { text: String, parse: (text: string) => parseQuantity("instances", text) };

/** The order in which they are shown. */
export const BUILD_LIMITS: readonly TypedLimit[] = [
  { name: "cpuMillis", word: "cpu", text: (amount) => `${amount / 1_000}`, parse: (text) => parseQuantity("cpuMillis", text) },
  { name: "memoryBytes", word: "memory", ...bytes },
  { name: "diskBytes", word: "disk", ...bytes },
  { name: "diskFiles", word: "files", ...whole },
  { name: "pids", word: "pids", ...whole },
  { name: "timeoutMs", word: "time", text: timeAsTyped, parse: parseTime },
  { name: "logBytes", word: "log", ...bytes },
];

/** What a namespace that says nothing else gives a build of the disk (core's DEFAULT_BUILD_DISK). */
const DISK = { diskBytes: 8 * 1024 ** 3, diskFiles: 500_000 };

export function buildLimit(limits: BuildLimits, name: BuildLimitName): number {
  return { ...DISK, ...limits }[name];
}

function timeAsTyped(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000}m` : `${Math.round(ms / 1_000)}s`;
}

function parseTime(text: string): number | undefined {
  const [, amount, unit] = /^\s*(\d{1,5})\s*([smh])\s*$/.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * { s: 1_000, m: 60_000, h: 3_600_000 }[unit as "s" | "m" | "h"];
}
