import type { Benchmark } from "./benchmark.ts";
import { buildContext, buildEdit, buildNoop, buildStages } from "./build.ts";
import { controlMemory } from "./control-memory.ts";
import { firstUrl } from "./first-url.ts";
import { pushEdit } from "./push-edit.ts";
import { startInstance } from "./start-instance.ts";

/** All of them, in the order in which they run: memory first, while nothing has been asked of the platform. */
export const BENCHMARKS: readonly Benchmark[] = [
  controlMemory,
  firstUrl,
  buildNoop,
  buildEdit,
  buildStages,
  buildContext,
  startInstance,
  pushEdit,
];

/** Those with the names, each once and in our order; throws for a name that nobody has. Pure. */
export function chosen(names: readonly string[]): readonly Benchmark[] {
  const unknown = names.find((name) => !BENCHMARKS.some((one) => one.name === name));
  if (unknown !== undefined) throw new Error(`there is no benchmark ${unknown}: npm run bench -- list names them`);
  return BENCHMARKS.filter(({ name }) => names.includes(name));
}
