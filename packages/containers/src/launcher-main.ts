import type { Readable } from "node:stream";
import { AppError } from "@plimsoll/core";
import { run, start } from "@plimsoll/exec";
import { inPrivateMountNamespace } from "@plimsoll/host";
import { CONMON_ENV, conmonArgv, crunArgv, type MonitorRequest, readSyncPipe } from "./conmon.ts";
import { failureAnswer, type LauncherCommand, type LauncherRequest } from "./launcher-protocol.ts";
import { type BundleRequest, makeBundle } from "./snapshot-launch.ts";
import { SyncPipe } from "./sync-pipe.ts";

/**
 * The launcher: a small process that stands between the agent and its monitors. Making a mount namespace changes the calling thread,
 * and a spawn costs in proportion to the caller's memory, so neither is done in the agent. It holds no state: when it dies, what it
 * launched runs on; when the agent dies, the channel closes and it ends.
 */
process.on("message", (request: LauncherRequest) => {
  perform(request.command).then(
    (result) => process.send?.({ id: request.id, ok: true, ...result }),
    (error: unknown) => process.send?.(failureAnswer(request.id, error)),
  );
});
process.on("disconnect", () => process.exit(0));

async function perform(command: LauncherCommand): Promise<{ readonly pid?: number; readonly stdout?: string }> {
  switch (command.kind) {
    case "run":
      return { stdout: (await run(command.argv, { timeoutMs: command.timeoutMs })).stdout };
    case "launch": {
      const { bundle, monitor } = command;
      const sync = new SyncPipe();
      // Only what happens before the first await is in the namespace; the spawned monitor keeps it alive.
      const spawned = spawnIn(bundle, monitor, sync);
      const conmon = await spawned;
      const problem = text(conmon.stderr);
      let answer: string;
      try {
        answer = await sync.firstLine();
      } catch (error) {
        conmon.kill("SIGKILL");
        throw error;
      }
      if (answer === "") throw new AppError("internal", `The container could not be created: ${(await problem).trim()}`);
      const pid = readSyncPipe(answer);
      if (command.start) await run(crunArgv(monitor.crunDir, "start", monitor.containerId));
      return { pid };
    }
  }
}

function spawnIn(bundle: BundleRequest, monitor: MonitorRequest, sync: SyncPipe): ReturnType<typeof start> {
  try {
    return inPrivateMountNamespace(() => {
      makeBundle(bundle);
      return start(conmonArgv(monitor), { env: CONMON_ENV, cwd: "/", stdio: ["ignore", "ignore", "pipe", ...sync.inherited] });
    });
  } catch (error) {
    sync.close();
    throw error;
  }
}

async function text(stream: Readable | null): Promise<string> {
  let all = "";
  for await (const chunk of stream ?? []) all = (all + String(chunk)).slice(-4_096);
  return all;
}
