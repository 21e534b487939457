import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export interface RunningPortal {
  readonly socket: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts the built portal on a socket of its own. */
export async function startPortal(): Promise<RunningPortal> {
  const directory = mkdtempSync(join(tmpdir(), "plimsoll-portal-"));
  const socket = join(directory, "portal.sock");
  const portal = resolve(import.meta.dirname, "..");
  const child = spawn(process.execPath, ["--max-semi-space-size=8", "--max-old-space-size=192", "server.ts"], {
    cwd: portal,
    env: { ...process.env, PLIMSOLL_PORTAL_SOCKET: socket },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await listening(child);
  return {
    socket,
    pid: child.pid ?? 0,
    async stop() {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function listening(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit").then(([code]) => {
    throw new Error(`The portal ended with ${code} before it listened.`);
  });
  const heard = (async () => {
    let text = "";
    for await (const piece of child.stdout ?? []) {
      text += piece;
      if (text.includes("portal listens")) return;
    }
  })();
  exited.catch(() => undefined);
  await Promise.race([heard, exited]);
}
