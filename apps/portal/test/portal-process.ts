import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Worker } from "node:worker_threads";

export interface RunningPortal {
  readonly socket: string;
  stop(): Promise<void>;
}

/** Runs the built portal's own server in a thread, on a socket of its own. */
export async function startPortal(): Promise<RunningPortal> {
  const directory = mkdtempSync(join(tmpdir(), "plimsoll-portal-"));
  const socket = join(directory, "portal.sock");
  const server = new Worker(resolve(import.meta.dirname, "../server.ts"), {
    env: { ...process.env, NODE_ENV: "production", PLIMSOLL_PORTAL_SOCKET: socket },
    execArgv: [],
    stdout: true,
  });
  await listening(server);
  return {
    socket,
    async stop() {
      await server.terminate();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function listening(server: Worker): Promise<void> {
  return new Promise((done, fail) => {
    server.once("error", fail);
    server.once("exit", (code) => fail(new Error(`The portal ended with ${code} before it listened; is it built?`)));
    server.stdout.on("data", (piece: Buffer) => piece.toString().includes("portal listens") && done());
  });
}
