/**
 * `npm run test:vm`: what this machine's kernel lacks. Boots Debian's cloud kernel with systemd and pure cgroup v2 under qemu (software
 * emulation, so it takes its time) as a host that joins a platform of this machine; its instances and builds are held to their limits, and its
 * power is cut. `npm run test:vm -- platform` makes it a machine of its own instead, with a whole platform that is started, used, rebooted
 * and cut off: that takes a quiet machine, or very long. PLIMSOLL_VM_DIR keeps what is made for the next run; PLIMSOLL_VM_CPUS is how
 * many processors it has.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { joinedHost } from "./host.ts";
import { platformMachine } from "./platform.ts";
import { passedSteps } from "./steps.ts";

const SCENARIOS: Readonly<Record<string, (directory: string) => Promise<void>>> = { host: joinedHost, platform: platformMachine };

async function main(wanted: readonly string[]): Promise<void> {
  const unknown = wanted.find((name) => SCENARIOS[name] === undefined);
  if (unknown !== undefined) throw new Error(`there is no ${unknown}; choose of ${Object.keys(SCENARIOS).join(", ")}`);
  const directory = process.env.PLIMSOLL_VM_DIR ?? (await mkdtemp(join(tmpdir(), "plimsoll-vm-")));
  try {
    for (const name of wanted) {
      console.log(`\n${name}`);
      await SCENARIOS[name]?.(directory);
    }
  } finally {
    if (process.env.PLIMSOLL_VM_DIR === undefined) await rm(directory, { recursive: true, force: true });
  }
}

try {
  const wanted = process.argv.slice(2);
  await main(wanted.length === 0 ? ["host"] : wanted);
  console.log(`${passedSteps()} passed, 0 failed`);
} catch (error) {
  console.log(error instanceof Error ? error.message : String(error));
  console.log(`${passedSteps()} passed, 1 failed`);
  process.exitCode = 1;
}
