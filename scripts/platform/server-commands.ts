import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { z } from "zod";
import type { Layout } from "./layout.ts";
import { AGENT_PROGRAM, agentEnvironment, SERVER_PROGRAM, serverEnvironment } from "./programs.ts";
import type { Wanted } from "./wanted.ts";

/** Both load the whole server, which ends by itself when something is wrong: minutes are for machines that are slow or busy. */
const SETUP_TIMEOUT_MS = 180_000;
const OVERVIEW_TIMEOUT_MS = 60_000;

const Setup = z.object({
  /** Present until the first administrator has claimed the installation. */
  claimUrl: z.string().optional(),
  /** Lets the agent of this machine enrol once. */
  hostToken: z.string().optional(),
  sampleAppNeeded: z.boolean(),
  /** Where the sample app is pushed to, and where it is then live. */
  sample: z.object({ gitUrl: z.string(), url: z.string() }).optional(),
});
export type Setup = z.infer<typeof Setup>;

const Overview = z.object({
  hosts: z.array(
    z.object({
      name: z.string(),
      ready: z.boolean(),
      roles: z.array(z.string()),
      cpuMillis: z.number(),
      memoryBytes: z.number(),
      instances: z.number().optional(),
    }),
  ),
  apps: z.array(
    z.object({
      team: z.string(),
      namespace: z.string(),
      name: z.string(),
      state: z.string(),
      release: z.string().optional(),
      url: z.string().optional(),
    }),
  ),
});
export type Overview = z.infer<typeof Overview>;

/** A first start's rows: platform, demo team and namespace, claim code, token for this host. Idempotent. The schema must be there. */
export async function setUpServer(layout: Layout, wanted: Wanted, options: { readonly samplePublicKey: string }): Promise<Setup> {
  const env = { ...serverEnvironment(layout, wanted), PLIMSOLL_SAMPLE_KEY: options.samplePublicKey, PLIMSOLL_HOST_NAME: wanted.hostName };
  const { stdout } = await run([process.execPath, join(layout.root, SERVER_PROGRAM), "setup"], {
    cwd: layout.root,
    env,
    timeoutMs: SETUP_TIMEOUT_MS,
  });
  return lastJsonLine(stdout, Setup);
}

/** Every host and app, as an operator sees them. Reads only. */
export async function readOverview(layout: Layout, wanted: Wanted): Promise<Overview> {
  const env = serverEnvironment(layout, wanted);
  const argv = [process.execPath, join(layout.root, SERVER_PROGRAM), "overview"];
  const { stdout } = await run(argv, { cwd: layout.root, env, timeoutMs: OVERVIEW_TIMEOUT_MS });
  return lastJsonLine(stdout, Overview);
}

/** Stops the instances and the ingress of this host and removes its namespaces, mounts, cgroups and rules. The agent must have ended. */
export async function tearDownHost(layout: Layout, wanted: Wanted): Promise<void> {
  const env = agentEnvironment(layout, wanted);
  await run([process.execPath, join(layout.root, AGENT_PROGRAM), "teardown"], { cwd: layout.root, env, timeoutMs: 120_000 });
}

/** Log lines may come before it. */
function lastJsonLine<T>(stdout: string, schema: z.ZodType<T>): T {
  const last = stdout.trim().split("\n").at(-1) ?? "";
  try {
    return schema.parse(JSON.parse(last));
  } catch (cause) {
    throw new AppError("internal", `The server answered something else than was asked for: ${last.slice(0, 200)}`, { cause });
  }
}
