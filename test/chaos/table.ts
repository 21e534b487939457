import { PROCESSES } from "../support/processes.ts";
import { BOUNDARIES } from "./boundaries.ts";
import type { Cell } from "./cell.ts";

/** Every process at every boundary; never the same twice in a row, which its supervisor would rightly make wait. */
export function wholeTable(): readonly Cell[] {
  return [
    ...BOUNDARIES.flatMap((boundary) => PROCESSES.map((process) => ({ process, boundary }))),
    { process: "flush redis", boundary: "building" },
    { process: "flush redis", boundary: "starting" },
  ];
}

/** As few as hold every process and every boundary, those first where the most can go wrong: control and hosts in the middle of things. */
export function shortTable(): readonly Cell[] {
  return [
    { process: "server", boundary: "received" },
    { process: "agent", boundary: "building" },
    { process: "postgres", boundary: "recorded" },
    { process: "server", boundary: "built" },
    { process: "redis", boundary: "released" },
    { process: "agent", boundary: "starting" },
    { process: "haproxy", boundary: "ready" },
    { process: "conmon", boundary: "ready" },
    { process: "agent", boundary: "draining" },
    { process: "postgres", boundary: "draining" },
    { process: "server", boundary: "done" },
    { process: "flush redis", boundary: "starting" },
  ];
}

/** `count` cells, the same ones for the same seed. */
export function randomCells(seed: number, count: number): readonly Cell[] {
  const next = randomNumbers(seed);
  const oneOf = <T>(values: readonly T[]): T => {
    const value = values[Math.floor(next() * values.length)];
    if (value === undefined) throw new Error("nothing to choose from");
    return value;
  };
  return Array.from({ length: count }, () => ({ process: oneOf(PROCESSES), boundary: oneOf(BOUNDARIES) }));
}

/** From 0 to below 1: mulberry32. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
