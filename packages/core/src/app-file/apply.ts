import { DEFAULT_OTHER_PROCESS, DEFAULT_WEB_PROCESS, type ProcessSpec, type Readiness, type Spec } from "../resources.ts";
import type { CommitConfig } from "./commit-config.ts";

/**
 * The spec of an app once a commit's own description holds: desired state for what it names. Its processes are all there are; number and
 * size of their instances stay where it does not name them, everything else of them is as it says, or the default. Its environment is
 * set; what an earlier commit's had set and this one's does not is gone. Pure; applying it twice changes nothing.
 */
export function applyCommitConfig(spec: Spec<"App">, config: CommitConfig | undefined): Spec<"App"> {
  if (config === undefined && spec.appFile === undefined) return spec;
  const env = { ...spec.env };
  for (const name of spec.appFile?.env ?? []) delete env[name];
  Object.assign(env, config?.env);
  const { appFile: _, releaseCommand: __, ...rest } = spec;
  const names = Object.keys(config?.env ?? {}).sort();
  return {
    ...rest,
    env,
    processes: config?.processes === undefined ? spec.processes : processesAfter(spec.processes, config.processes),
    ...(config?.releaseCommand === undefined ? {} : { releaseCommand: config.releaseCommand }),
    ...(config === undefined ? {} : { appFile: { path: config.file, env: names } }),
  };
}

function processesAfter(
  before: Spec<"App">["processes"],
  wanted: NonNullable<CommitConfig["processes"]>,
): Readonly<Record<string, ProcessSpec>> {
  return Object.fromEntries(
    Object.entries(wanted).map(([name, one]) => {
      const base = name === "web" ? DEFAULT_WEB_PROCESS : DEFAULT_OTHER_PROCESS;
      const now = before[name] ?? base;
      const port = one.port ?? base.port;
      const timeoutMs = one.readyTimeoutMs ?? 60_000;
      return [
        name,
        {
          ...(one.command === undefined ? {} : { command: [...one.command] }),
          replicas: one.replicas ?? now.replicas,
          cpuMillis: one.cpuMillis ?? now.cpuMillis,
          memoryBytes: one.memoryBytes ?? now.memoryBytes,
          ...(port === undefined ? {} : { port }),
          readiness: readiness(one.ready ?? (port === undefined ? "none" : "tcp"), timeoutMs),
          stopGraceMs: one.stopGraceMs ?? base.stopGraceMs,
        },
      ];
    }),
  );
}

function readiness(ready: string, timeoutMs: number): Readiness {
  if (ready === "none") return { kind: "none" };
  return ready === "tcp" ? { kind: "tcp", timeoutMs } : { kind: "http", path: ready, timeoutMs };
}
