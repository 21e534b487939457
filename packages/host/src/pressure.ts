import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "./syscalls.ts";

/**
 * Pressure stall information of the last ten seconds, in percent of the time: some task waited for the resource, or all that wanted to run
 * did (kernel documentation, accounting/psi.rst).
 */
export interface Pressure {
  readonly cpuSome: number;
  readonly memorySome: number;
  readonly memoryFull: number;
  readonly ioSome: number;
  readonly ioFull: number;
}

/** Of this host; undefined where its kernel does not measure it (no CONFIG_PSI, or not switched on by psi=1). Throws what else goes wrong. */
export function readPressure(directory = "/proc/pressure"): Pressure | undefined {
  try {
    const [cpu, memory, io] = ["cpu", "memory", "io"].map((name) => parsePressure(readFileSync(join(directory, name), "utf8")));
    if (cpu === undefined || memory === undefined || io === undefined) return undefined;
    return { cpuSome: cpu.some, memorySome: memory.some, memoryFull: memory.full, ioSome: io.some, ioFull: io.full };
  } catch (error) {
    // Kernels before 6.1 have the files, and no word in them, where it is not switched on.
    if (["ENOENT", "EOPNOTSUPP", "ENOTSUP"].includes(errorCode(error) ?? "")) return undefined;
    throw error;
  }
}

/** `some avg10=1.23 avg60=…` lines. No `full` line, as of cpu on older kernels, is 0. Pure. */
export function parsePressure(text: string): { readonly some: number; readonly full: number } | undefined {
  const of = (kind: string) => new RegExp(`^${kind} avg10=(\\d+(?:\\.\\d+)?)`, "m").exec(text)?.[1];
  const some = of("some");
  return some === undefined ? undefined : { some: Number(some), full: Number(of("full") ?? 0) };
}
