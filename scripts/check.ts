/** `npm run check`: everything that answers in under a minute. Each step's output is shown when it fails. */
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { start } from "@plimsoll/exec";
import { createProgress } from "./bootstrap/progress.mjs";

interface Step {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
}

const root = resolve(import.meta.dirname, "..");
const bin = (name: string) => join(root, "node_modules/.bin", name);

/** The long ones first, so that none of them is alone at the end. */
const STEPS: readonly Step[] = [
  { name: "unit tests", program: bin("vitest"), args: ["run", "--project", "unit", "--reporter=dot"] },
  { name: "types", program: bin("tsc"), args: ["-p", "."] },
  { name: "types, portal", program: bin("tsc"), args: ["-p", "apps/portal"] },
  { name: "format, lint", program: bin("biome"), args: ["check", "--error-on-warnings", "."] },
  { name: "dead code", program: bin("knip"), args: ["--no-config-hints"] },
  { name: "layers", program: process.execPath, args: ["scripts/check-layers.ts"] },
  { name: "migrations", program: process.execPath, args: ["scripts/migrate.ts", "check"] },
];

async function main(): Promise<number> {
  const progress = createProgress(process.stdout);
  const startedAt = performance.now();
  const waiting = [...STEPS];
  let failed = 0;
  const worker = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const { code, output, seconds } = await perform(step);
      if (code === 0) progress.done(step.name, "", seconds);
      else {
        failed++;
        console.log(`  ✖ ${step.name}\n\n${output.trimEnd()}\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, worker));
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(`\n${STEPS.length - failed} of ${STEPS.length} passed, ${seconds} s`);
  return failed === 0 ? 0 : 1;
}

async function perform({ program, args }: Step): Promise<{ code: number; output: string; seconds: number }> {
  const startedAt = performance.now();
  const env = Object.fromEntries(Object.entries(process.env).map(([name, value]) => [name, value ?? ""]));
  const child = await start([program, ...args], { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const code = await new Promise<number>((resolve) => child.once("close", (exit) => resolve(exit ?? 1)));
  return { code, output, seconds: Math.round((performance.now() - startedAt) / 1_000) };
}

process.exitCode = await main();
