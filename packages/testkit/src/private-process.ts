import { chown, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChildProcess, start } from "@plimsoll/exec";

/** A program of a test in a directory of its own, run by an unprivileged user when the test is root. */
export interface PrivateProcess {
  readonly directory: string;
  readonly pid: number;
  /** Sends the signal and waits for the end. Idempotent. */
  end(signal: NodeJS.Signals): Promise<void>;
  /** The end, by the given signal, and with it the directory. Idempotent. */
  dispose(signal: NodeJS.Signals): Promise<void>;
}

/** Makes a directory that belongs to the named system user; to us where we are not root and cannot give it away. */
export async function privateDirectory(prefix: string, userName: string): Promise<{ path: string; runAs: readonly string[] }> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  if (process.getuid?.() !== 0) return { path, runAs: ["setpriv"] };
  const { uid, gid } = await systemUser(userName);
  await chown(path, uid, gid);
  return { path, runAs: ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"] };
}

/**
 * Starts `argv` so that the kernel ends it with `deathSignal` when we die, kill -9 included: a test run that is shot leaves no
 * database behind.
 */
export async function startPrivate(
  directory: string,
  runAs: readonly string[],
  argv: readonly string[],
  deathSignal: "INT" | "TERM",
): Promise<PrivateProcess & { readonly output: () => string }> {
  const child = await start([...runAs, `--pdeathsig=${deathSignal}`, ...argv], { cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-8_192);
    });
  }
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const end = async (signal: NodeJS.Signals) => {
    if (isAlive(child)) child.kill(signal);
    await ended;
  };
  return {
    directory,
    pid: child.pid,
    output: () => output,
    end,
    dispose: async (signal) => {
      await end(signal);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Tries until the attempt does not throw; throws its last error, with what the process said, after `timeoutMs` or at its end. */
export async function whenReady(
  attempt: () => Promise<void>,
  process: { pid: number; output: () => string },
  timeoutMs: number,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (cause) {
      if (performance.now() > deadline) throw new Error(`process ${process.pid} did not get ready:\n${process.output()}`, { cause });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

async function systemUser(name: string): Promise<{ uid: number; gid: number }> {
  const passwd = await readFile("/etc/passwd", "utf8");
  const fields = passwd
    .split("\n")
    .map((line) => line.split(":"))
    .find(([userName]) => userName === name);
  if (fields === undefined) throw new Error(`no user ${name} on this machine: run npm test, which installs what the tests need`);
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}
