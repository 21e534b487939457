import { join, resolve } from "node:path";
import { run } from "@plimsoll/exec";

/** Where a platform is started. */
export interface Place {
  readonly dataDir: string;
  readonly httpPort: number;
  readonly sshPort: number;
  /** What enters its network namespace; empty: ours. */
  readonly prefix: readonly string[];
}

const ROOT = resolve(import.meta.dirname, "../..");
const START_TIMEOUT_MS = 5 * 60_000;

/** `npm start` as it is typed; resolves with the milliseconds until it ended, which is when the sample app answers. Throws its words. */
export async function npmStart(place: Place): Promise<number> {
  const beginMs = performance.now();
  const options = { cwd: ROOT, env: npmEnvironment(place), timeoutMs: START_TIMEOUT_MS, okCodes: [0, 1] };
  const { code, stdout, stderr } = await run([...place.prefix, "npm", "start"], options);
  if (code !== 0) throw new Error(`npm start failed:\n${stdout}${stderr}`);
  return performance.now() - beginMs;
}

/** Ours – npm and its proxies need it – but for the settings of another platform. */
export function npmEnvironment({ dataDir, httpPort, sshPort }: Place): Record<string, string> {
  const passed = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || /^(PLIMSOLL_|DATABASE_URL$|REDIS_URL$|VITEST|NODE_ENV$|npm_)/.test(name) ? [] : [[name, value]],
  );
  return {
    ...Object.fromEntries(passed),
    PLIMSOLL_DATA_DIR: dataDir,
    PLIMSOLL_BIN_DIR: join(dataDir, "bin"),
    PLIMSOLL_HTTP_PORT: String(httpPort),
    PLIMSOLL_SSH_PORT: String(sshPort),
  };
}
