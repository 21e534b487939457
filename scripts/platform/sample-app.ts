import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { AppError } from "@plimsoll/core";
import { minimalEnv, run, start } from "@plimsoll/exec";
import type { Layout } from "./layout.ts";
import { until } from "./supervisor-process.ts";

/** Paths in it are relative to the working copy: git hands it to a shell, and a data directory may be named anything. */
const SSH = [
  "ssh -F /dev/null -i ../id_ed25519 -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10",
  "-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=../known_hosts",
].join(" ");

/** The public half of the key that pushes the sample app, made once. */
export async function samplePublicKey(layout: Layout): Promise<string> {
  const path = join(layout.sampleDir, "id_ed25519");
  await mkdir(layout.sampleDir, { recursive: true, mode: 0o700 });
  if (!existsSync(path)) await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sample app of this Plimsoll", "-f", path]);
  return (await readFile(`${path}.pub`, "utf8")).trim();
}

/**
 * Pushes the sample app as anybody would: a repository of its own, one commit, `git push` over SSH. `onLine` gets what the platform
 * says meanwhile. Throws `build_failed` with the last of it when the push is refused.
 */
export async function pushSampleApp(layout: Layout, gitUrl: string, onLine: (line: string) => void): Promise<void> {
  const copy = join(layout.sampleDir, "hello");
  await rm(copy, { recursive: true, force: true });
  await cp(join(layout.root, "test/fixtures/hello"), copy, { recursive: true });
  const env = {
    ...minimalEnv,
    HOME: layout.sampleDir,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_SSH_COMMAND: SSH,
    GIT_AUTHOR_NAME: "Plimsoll",
    GIT_AUTHOR_EMAIL: "sample@localhost",
    GIT_COMMITTER_NAME: "Plimsoll",
    GIT_COMMITTER_EMAIL: "sample@localhost",
  };
  const git = (...args: string[]) => run(["git", ...args], { cwd: copy, env });
  await git("init", "-q", "-b", "main");
  await git("add", "-A");
  await git("commit", "-q", "-m", "Hello");

  const push = await start(["git", "push", gitUrl, "main"], { cwd: copy, env, stdio: ["ignore", "ignore", "pipe"] });
  const said: string[] = [];
  if (push.stderr) {
    createInterface({ input: push.stderr }).on("line", (line) => {
      const text = line.replace(/^remote: ?/, "").trimEnd();
      said.push(text);
      if (text.trim() !== "") onLine(text.trim());
    });
  }
  const code = await new Promise((resolve) => push.once("close", resolve));
  if (code !== 0) throw new AppError("build_failed", `The sample app was not taken:\n${said.slice(-20).join("\n")}`);
}

/** Waits until the URL answers 200 through the ingress on this machine; names like hello-demo.localhost need no DNS. */
export async function untilLive(url: string, httpPort: number, timeoutMs: number): Promise<void> {
  await until(async () => (await statusOf(url, httpPort)) === 200, timeoutMs, `${url} does not answer; npm run status shows what runs.`);
}

function statusOf(url: string, port: number): Promise<number> {
  const { host, pathname } = new URL(url);
  return new Promise((resolve) => {
    const asked = request({ host: "127.0.0.1", port, path: pathname, headers: { host }, timeout: 2_000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    asked.once("timeout", () => asked.destroy());
    asked.once("error", () => resolve(0));
    asked.end();
  });
}
