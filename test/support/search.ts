import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "@plimsoll/exec";
import { postgresUrl } from "../../scripts/platform/postgres.ts";
import type { Platform } from "./platform.ts";
import { withRedis } from "./redis.ts";

/** A value as it may lie somewhere: itself, in hex, and in base64 at each of its three offsets. */
export function formsOf(value: string): readonly string[] {
  const bytes = Buffer.from(value);
  const base64 = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString("base64")
      .replaceAll("=", "");
    // What depends on its neighbours is cut away: the characters that share bits with the padding before and with what would follow.
    return text.slice(Math.ceil((offset * 8) / 6), -1);
  });
  const url = base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_"));
  return [...new Set([value, bytes.toString("hex"), bytes.toString("hex").toUpperCase(), ...base64, ...url])];
}

/** Which of the texts hold the value in any form. */
export function textsWith(value: string, texts: ReadonlyMap<string, string>): readonly string[] {
  const forms = formsOf(value);
  return [...texts].filter(([, text]) => forms.some((form) => text.includes(form))).map(([name]) => name);
}

/**
 * Every place outside of the root-only bundles where a platform has the value, in any form: files of its data and run directories –
 * PostgreSQL's own among them, as they are on disk –, a dump of its database, Redis rewritten without compression, git's objects unpacked,
 * and environment and arguments of its processes but those inside the sandboxes, which are meant to have it.
 */
export async function placesWith(platform: Platform, value: string): Promise<readonly string[]> {
  const forms = formsOf(value);
  const scratch = await mkdtemp(join(tmpdir(), `plimsoll-e2e-search-${process.pid}-`));
  try {
    await settleStores(platform);
    await dumpDatabase(platform, scratch);
    await unpackGit(platform, scratch);
    const { layout, host } = platform;
    const files = await filesWith(forms, [layout.dataDir, layout.socketsDir, host.runDir, scratch], host.bundlesDir);
    return [...files.map((path) => path.replace(scratch, "unpacked")), ...(await processesWith(forms, platform))].sort();
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** What PostgreSQL and Redis hold in memory is on disk then, and nothing of it compressed by Redis. */
async function settleStores(platform: Platform): Promise<void> {
  await run(["psql", "--dbname", postgresUrl(platform.layout, { role: "postgres" }), "--quiet", "--command", "CHECKPOINT"]);
  await withRedis(platform, async (redis) => {
    await redis.config("SET", "rdbcompression", "no");
    await redis.bgrewriteaof();
    while (/aof_rewrite_(in_progress|scheduled):1/.test(await redis.info("persistence"))) await sleep(50);
  });
}

async function dumpDatabase({ layout }: Platform, scratch: string): Promise<void> {
  await run(["pg_dump", "--dbname", postgresUrl(layout), "--inserts", "--file", join(scratch, "dump.sql")], { timeoutMs: 60_000 });
}

async function unpackGit({ layout, host }: Platform, scratch: string): Promise<void> {
  for (const directory of [join(layout.dataDir, "git", "repositories"), join(host.stateDir, "mirrors")]) {
    for (const name of await readdir(directory)) {
      const argv = ["git", `--git-dir=${join(directory, name)}`, "cat-file", "--batch", "--batch-all-objects"];
      await writeFile(join(scratch, `git-${name}`), (await run(argv, { timeoutMs: 60_000 })).stdout);
    }
  }
}

async function filesWith(forms: readonly string[], directories: readonly string[], except: string): Promise<readonly string[]> {
  const argv = ["grep", "--recursive", "--files-with-matches", "--text", "--fixed-strings", "--devices=skip", "--file=-"];
  const { stdout } = await run([...argv, ...directories], { stdin: `${forms.join("\n")}\n`, okCodes: [0, 1, 2], timeoutMs: 120_000 });
  return stdout.split("\n").filter((path) => path !== "" && !path.startsWith(`${except}/`));
}

async function processesWith(forms: readonly string[], { host }: Platform): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const read = (name: string) => readFile(`/proc/${pid}/${name}`, "latin1").catch(() => "");
      if ((await read("cgroup")).includes(`${host.cgroupRoot}/tenants/`)) return [];
      const text = `${await read("environ")}\n${await read("cmdline")}`;
      return forms.some((form) => text.includes(form)) ? [`process ${(await read("comm")).trim()}`] : [];
    }),
  );
  return found.flat();
}
