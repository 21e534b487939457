import { readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { run, start } from "@plimsoll/exec";
import { hostLayout } from "@plimsoll/host";
import { createTestHosts, inside } from "../cluster/index.ts";
import type { Benchmark, Lab } from "./benchmark.ts";
import { npmEnvironment, npmStart } from "./npm-start.ts";
import type { Measurement } from "./report.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const HOST_NAME = "this-host";
const FRESH_TIMEOUT_MS = 15 * 60_000;
const STOP_TIMEOUT_MS = 120_000;
const FIRST = "p50<=240000";
const SECOND = "p50<=5000";

export const firstUrl: Benchmark = {
  name: "first.url",
  about: "npm start → sample app answers, on an empty data directory (--fresh: on a fresh Debian machine); the second start",
  run: async (lab) => {
    if (lab.smoke) return [second(lab, [await npmStart(placeOf(await lab.platform()))])];
    const { firstMs, secondMs } = lab.fresh ? await onFreshMachine(lab) : await onEmptyDirectory(lab);
    const where = lab.fresh
      ? "on a freshly made Debian: Debian's and npm's packages, portal, base image, everything"
      : "on an empty data directory, packages and portal there; --fresh does it on a freshly made Debian";
    return [
      {
        bench: firstUrl.name,
        unit: "ms",
        target: FIRST,
        ours: [firstMs],
        notes: [`npm start until it ends, which is when the sample app answers; ${where}`],
      },
      second(lab, secondMs),
    ];
  },
};

function second(lab: Lab, ours: readonly number[]): Measurement {
  const notes = [lab.smoke ? "on the platform that runs" : "npm start where everything runs, whole command"];
  return { bench: `${firstUrl.name}.second`, unit: "ms", target: SECOND, ours, notes };
}

function placeOf({ place }: Awaited<ReturnType<Lab["platform"]>>) {
  return {
    dataDir: place.dataDir,
    httpPort: place.httpPort,
    sshPort: place.sshPort,
    prefix: place.netns === undefined ? [] : inside(place.netns, []),
  };
}

interface Starts {
  readonly firstMs: number;
  readonly secondMs: readonly number[];
}

/** A platform of its own in a network namespace of its own, gone afterwards. */
async function onEmptyDirectory({ pairs }: Lab): Promise<Starts> {
  const network = await createTestHosts(1, { egress: true });
  const [machine] = network.hosts;
  if (machine === undefined) throw new Error("no network namespace was made");
  // The name is that of platforms of tests, so that the next of them takes away what a killed run has left.
  const dataDir = join(tmpdir(), `plimsoll-own-${process.pid}-first`);
  const place = { dataDir, httpPort: 8080, sshPort: 2222, prefix: inside(machine, []) };
  network.own(hostLayout({ name: HOST_NAME, dataDir }).tag);
  try {
    await mkdir(dataDir, { mode: 0o711 });
    const firstMs = await npmStart(place);
    const secondMs: number[] = [];
    for (let i = 0; i < pairs; i++) secondMs.push(await npmStart(place));
    return { firstMs, secondMs };
  } finally {
    const stop = [...place.prefix, process.execPath, "scripts/stop.ts", "--all"];
    await run(stop, { cwd: ROOT, env: npmEnvironment(place), timeoutMs: STOP_TIMEOUT_MS }).catch(() => undefined);
    await network.remove();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** What `npm run test:fresh` does, timed from its words, and ended before it runs the tests there. It uses this machine's own ports. */
async function onFreshMachine({ say }: Lab): Promise<Starts> {
  const env = Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
  const child = await start([process.execPath, "scripts/test-fresh.ts"], { cwd: ROOT, env, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const timer = setTimeout(() => endChildrenOf(child.pid), FRESH_TIMEOUT_MS);
  const steps: { readonly name: string; readonly atMs: number }[] = [];
  const said: string[] = [];
  if (child.stdout === null) throw new Error("test:fresh has no output");
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    const name = /^──── (.*)$/.exec(line)?.[1];
    if (name === undefined) continue;
    say(`fresh machine: ${name}`);
    steps.push({ name, atMs: performance.now() });
    // The platform there is stopped and gone by then.
    if (name === "npm test") endChildrenOf(child.pid);
  }
  await ended;
  clearTimeout(timer);
  const starts = steps.flatMap(({ name, atMs }, index) => (name === "npm start" ? [(steps[index + 1]?.atMs ?? Number.NaN) - atMs] : []));
  const [firstMs, secondMs] = starts;
  if (firstMs === undefined || secondMs === undefined || !steps.some(({ name }) => name === "npm test"))
    throw new Error(`the fresh machine did not come to its end:\n${said.slice(-30).join("\n")}`);
  return { firstMs, secondMs: [secondMs] };
}

/** What runs inside ends with the program that holds its namespaces, and test:fresh then cleans up. That program (unshare) ignores SIGTERM. */
function endChildrenOf(pid: number): void {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
  for (const child of children.filter((one) => one !== "")) process.kill(Number(child), "SIGKILL");
}
