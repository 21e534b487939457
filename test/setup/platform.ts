import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { run } from "@plimsoll/exec";

/** The platform that end-to-end tests use: a whole one, started as its users start it, apart from one that may run here already. */
export interface Platform {
  readonly dataDir: string;
  readonly httpPort: number;
  readonly sshPort: number;
  /** Where the sample app is live. */
  readonly liveUrl: string;
  /** For the first administrator; the first test that claims it is the only one. */
  readonly claimUrl: string;
  /** What its first start showed. */
  readonly output: string;
}

const VARIABLE = "PLIMSOLL_TEST_PLATFORM";
const HTTP_PORT = 28_080;
const SSH_PORT = 22_222;
/** A registry out in the world that tests may bring up (test/e2e/registries.test.ts): of a block that is for documentation (RFC 5737). */
export const TEST_REGISTRY = "198.51.100.2:5000";
const START_TIMEOUT_MS = 5 * 60_000;
const STOP_TIMEOUT_MS = 3 * 60_000;
const ROOT = resolve(import.meta.dirname, "../..");

/** The running platform, for a test file of the e2e project. */
export function thisPlatform(): Platform {
  const text = process.env[VARIABLE];
  if (text === undefined) throw new Error("no platform for tests: put the file into test/e2e and run it with vitest");
  return JSON.parse(text) as Platform;
}

/** Runs one of our npm commands for the platform of the tests, and answers its output. */
export async function command(
  name: "start" | "stop" | "status",
  args: readonly string[] = [],
  dataDir = thisPlatform().dataDir,
): Promise<string> {
  const program = name === "start" ? ["scripts/bootstrap.mjs", "start"] : [`scripts/${name}.ts`];
  const environment = Object.entries(process.env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]));
  const { stdout } = await run([process.execPath, ...program, ...args], {
    cwd: ROOT,
    env: {
      ...Object.fromEntries(environment),
      PLIMSOLL_DATA_DIR: dataDir,
      // This machine's own plim is none of a test's business.
      PLIMSOLL_BIN_DIR: join(dataDir, "bin"),
      PLIMSOLL_HTTP_PORT: String(HTTP_PORT),
      PLIMSOLL_SSH_PORT: String(SSH_PORT),
      PLIMSOLL_REGISTRIES_PLAIN_HTTP: TEST_REGISTRY,
      // The repositories that tests connect are this platform's own.
      PLIMSOLL_GIT_FETCH_ALLOW: "127.0.0.0/8,::1",
    },
    timeoutMs: name === "start" ? START_TIMEOUT_MS : STOP_TIMEOUT_MS,
  });
  return stdout;
}

/** vitest's set-up of the e2e project: one platform for the whole run. */
export default async function setup(): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), "plimsoll-e2e-"));
  const tearDown = async () => {
    await command("stop", ["--all"], dataDir);
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const output = await command("start", [], dataDir);
    const shown = (label: string) => new RegExp(`^ +${label} +(http\\S+)`, "m").exec(output)?.[1] ?? "";
    const platform: Platform = {
      dataDir,
      httpPort: HTTP_PORT,
      sshPort: SSH_PORT,
      liveUrl: shown("Live"),
      claimUrl: shown("Portal"),
      output,
    };
    process.env[VARIABLE] = JSON.stringify(platform);
  } catch (error) {
    await tearDown().catch(() => undefined);
    throw error;
  }
  return tearDown;
}
