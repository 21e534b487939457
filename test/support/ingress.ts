import { join } from "node:path";
import { parseProcesses, sendCommands } from "../../packages/ingress/src/runtime.ts";
import type { Platform } from "./platform.ts";

/** One command on the runtime socket of the platform's HAProxy. */
export async function runtimeCommand({ host }: Platform, command: string): Promise<string> {
  return (await sendCommands(join(host.runDir, "ingress", "haproxy.sock"), [command]))[0] ?? "";
}

/** Pids of the workers, also of replaced ones that still have connections. */
export async function ingressWorkers({ host }: Platform): Promise<readonly number[]> {
  const [text = ""] = await sendCommands(join(host.runDir, "ingress", "master.sock"), ["show proc"]);
  return parseProcesses(text).workers;
}
