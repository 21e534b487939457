import { readdir, readFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { minimalEnv, run } from "@plimsoll/exec";
import type { Files } from "./app.ts";
import { insidePlatform, type Platform } from "./platform.ts";

const FIXTURES = resolve(import.meta.dirname, "../fixtures");
const PLIM = resolve(import.meta.dirname, "../../apps/cli/src/main.ts");

/** All text files of a repository of test/fixtures, by path. */
export async function fixture(name: string): Promise<Files> {
  const directory = join(FIXTURES, name);
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(await Promise.all(files.map(async (path) => [relative(directory, path), await readFile(path, "utf8")])));
}

/** What somebody who opens an app's URL gets. Rejects where nobody answers within 20 s. */
export async function openPage(platform: Platform, host: string, path = "/"): Promise<string> {
  const url = `http://127.0.0.1:${platform.place.httpPort}${path}`;
  const { stdout } = await run(insidePlatform(platform, ["curl", "-sS", "--max-time", "20", "-H", `Host: ${host}`, url]));
  return stdout;
}

/** What `plim` prints for a user of the platform; `home` keeps the session. Throws unless it ends with 0. */
export async function plimOf(platform: Platform, home: string): Promise<(...words: string[]) => Promise<string>> {
  const env = { ...minimalEnv, HOME: home };
  const plim = async (...words: string[]) =>
    (await run(insidePlatform(platform, [process.execPath, PLIM, ...words]), { cwd: home, env, timeoutMs: 60_000 })).stdout;
  await plim("login", `http://localhost:${platform.place.httpPort}`, "--token", platform.token);
  return (...words) => plim(...words, "-n", "demo/demo");
}
