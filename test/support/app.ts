import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { minimalEnv, run, start } from "@plimsoll/exec";
import { callApi, inDemo, untilServing } from "./api.ts";
import { query, untilChanged } from "./database.ts";
import { insidePlatform, type Platform } from "./platform.ts";

/** File contents by path. */
export type Files = Readonly<Record<string, string>>;
export type PushedFiles = Readonly<Record<string, string | Uint8Array>>;

export interface PushResult {
  /** What git ended with: 0 when the branch moved. */
  readonly code: number;
  /** What the pusher saw. */
  readonly text: string;
  readonly commit: string;
}

/** An app of namespace `demo`, with the working copy that it is pushed from. */
export interface App {
  readonly name: string;
  /** Host name at the ingress. */
  readonly host: string;
  /** Commits the files – what is not named stays – and pushes them; resolves when git has ended, whatever it ended with. */
  push(files: PushedFiles): Promise<PushResult>;
  /** As push in two steps: the commit is known before anything is sent. */
  prepare(files: PushedFiles): Promise<{ readonly commit: string; send(): Promise<PushResult> }>;
  /** Forgets the working copy; the app stays. */
  close(): Promise<void>;
  /** Deletes the app and the working copy; resolves when nothing of it is in the database. Idempotent. */
  remove(): Promise<void>;
}

/** Unlimited: it is the test that gives up. */
const PUSH_TIMEOUT_MS = 280_000;
const REMOVE_TIMEOUT_MS = 60_000;

export async function createApp(platform: Platform, name: string): Promise<App> {
  const copy = await mkdtemp(join(tmpdir(), `plimsoll-e2e-app-${process.pid}-`));
  const { place, layout } = platform;
  const env = {
    ...minimalEnv,
    HOME: copy,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    // The first operator's team has the sample's key as a developer.
    GIT_SSH_COMMAND: [
      `ssh -F /dev/null -i ${join(layout.sampleDir, "id_ed25519")} -o IdentitiesOnly=yes -o BatchMode=yes`,
      "-o ConnectTimeout=10 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
    ].join(" "),
    GIT_AUTHOR_NAME: "Tester",
    GIT_AUTHOR_EMAIL: "tester@plimsoll.invalid",
    GIT_COMMITTER_NAME: "Tester",
    GIT_COMMITTER_EMAIL: "tester@plimsoll.invalid",
  };
  const tree = join(copy, "tree");
  await mkdir(tree);
  const git = (...args: string[]) => run(["git", ...args], { cwd: tree, env });
  await git("init", "-q", "-b", "main");
  const url = `ssh://git@127.0.0.1:${place.sshPort}/demo/demo/${name}.git`;

  const prepare = async (files: PushedFiles) => {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), content);
    }
    await git("add", "-A");
    await git("commit", "-q", "--allow-empty", "-m", `Change ${Object.keys(files).join(", ")}`);
    const commit = (await git("rev-parse", "HEAD")).stdout.trim();
    const send = async () => {
      // Forced: a push before this one may have been refused, or have moved the branch after its connection was lost.
      const child = await start(insidePlatform(platform, ["git", "push", "--force", url, "HEAD:main"]), {
        cwd: tree,
        env,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let text = "";
      for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      const timer = setTimeout(() => child.kill("SIGKILL"), PUSH_TIMEOUT_MS);
      return new Promise<PushResult>((resolve) =>
        child.once("close", (code) => {
          clearTimeout(timer);
          resolve({ code: code ?? 128, text, commit });
        }),
      );
    };
    return { commit, send };
  };

  const close = () => rm(copy, { recursive: true, force: true });
  return {
    name,
    host: `${name}-demo.localhost`,
    prepare,
    push: async (files) => (await prepare(files)).send(),
    close,
    remove: async () => {
      await untilServing(platform);
      await callApi(platform, "DELETE", inDemo(`/apps/${name}`));
      await untilChanged(platform, await demoScope(platform), `the end of ${name}`, REMOVE_TIMEOUT_MS, async (client) => {
        const text = "SELECT FROM objects WHERE spec ->> 'app' = $1 OR (kind = 'App' AND name = $1)";
        return (await client.query(text, [name])).rowCount === 0 ? true : undefined;
      });
      await close();
    },
  };
}

/** The uid of namespace `demo`: the scope of all that its apps are. */
export async function demoScope(platform: Platform): Promise<string> {
  const [row] = await query<{ uid: string }>(platform, "SELECT uid FROM objects WHERE kind = 'Namespace' AND name = 'demo'");
  if (row === undefined) throw new Error("there is no namespace demo");
  return row.uid;
}

/**
 * Resolves when nothing of the app is under way: no open push, build or deployment, and as many instances as are wanted, all of the
 * release that serves.
 */
export async function untilSettled(platform: Platform, app: string, timeoutMs = 60_000): Promise<void> {
  await untilChanged(platform, await demoScope(platform), `${app} at rest`, timeoutMs, async (client) => {
    const { rows } = await client.query<{ rest: boolean }>(AT_REST, [app]);
    return rows[0]?.rest === true ? true : undefined;
  });
}

const AT_REST = `
  SELECT NOT EXISTS (SELECT FROM pushes WHERE app_uid = a.uid AND state = 'open')
     AND NOT EXISTS (SELECT FROM objects WHERE owner_uid = a.uid AND kind = 'Build' AND phase IN ('pending', 'placed', 'running'))
     AND NOT EXISTS (SELECT FROM objects WHERE owner_uid = a.uid AND kind = 'Deployment' AND phase IN ('starting', 'draining'))
     AND NOT EXISTS (SELECT FROM objects WHERE owner_uid = a.uid AND kind = 'Instance'
                       AND (phase <> 'ready' OR spec ->> 'release' IS DISTINCT FROM a.status ->> 'release'))
     AND (SELECT count(*) FROM objects WHERE owner_uid = a.uid AND kind = 'Instance')
       = CASE WHEN a.status ? 'release'
           THEN (SELECT sum((p.value ->> 'replicas')::int) FROM jsonb_each(a.spec -> 'processes') p) ELSE 0 END
     AS rest
  FROM objects a WHERE a.kind = 'App' AND a.name = $1`;
