import { formatBytes, INSTANCE_PIDS, type Resource, type Spec } from "@plimsoll/core";

/** From its creation to its program's start: image, network and all. */
export const START_TIMEOUT_MS = 120_000;
/** Ends in a row after which a new release counts as crashing. */
export const CRASHES = 3;

type ProcessOfRelease = Spec<"Release">["processes"][string];

/** What is to be thought of an instance of a release that is being rolled out. */
export type Verdict =
  | { readonly kind: "ready" }
  /** Not yet; to be looked at again at `untilMs` (since 1970). */
  | { readonly kind: "waiting"; readonly untilMs: number }
  | { readonly kind: "failed"; readonly failure: Failure };

export interface Failure {
  /** `web-1` */
  readonly instance: string;
  readonly reason: string;
  readonly logTail: string[];
  readonly hint?: string;
}

/**
 * Judges by what its host reported. A host's clock may differ: its times count from when we asked for the instance, not before; nor from
 * before `observedSinceMs`, when this process began to hear hosts (after an outage of ours nobody has failed yet).
 */
export function judge(
  instance: Resource<"Instance">,
  process: ProcessOfRelease | undefined,
  { nowMs, observedSinceMs }: { readonly nowMs: number; readonly observedSinceMs: number },
): Verdict {
  const { status } = instance;
  const askedMs = Math.max(observedSinceMs, Date.parse(instance.metadata.createdAt));
  if (status.phase === "ready") return { kind: "ready" };
  if (status.phase === "failed") return failed(instance, status.message ?? "it could not be started");
  if (status.restarts >= CRASHES) return failed(instance, crashReason(instance));
  const timeoutMs = process === undefined || process.readiness.kind === "none" ? START_TIMEOUT_MS : process.readiness.timeoutMs;
  if (status.startedAt === undefined) {
    const untilMs = askedMs + START_TIMEOUT_MS;
    if (nowMs < untilMs) return { kind: "waiting", untilMs };
    const what =
      status.phase === "scheduled" ? `its host ${instance.spec.host} did not begin with it` : "its image and network did not get ready";
    return failed(instance, `not started after ${seconds(START_TIMEOUT_MS)}: ${status.message ?? what}`);
  }
  const untilMs = Math.max(askedMs, Date.parse(status.startedAt)) + timeoutMs;
  if (nowMs < untilMs) return { kind: "waiting", untilMs };
  const [why, ...hints] = (status.message ?? "it did not say why").split("; ");
  return failed(instance, `not ready after ${seconds(timeoutMs)}: ${why}`, hints.join("; "));
}

function failed(instance: Resource<"Instance">, reason: string, told = ""): Verdict {
  const logTail = [...(instance.status.logTail ?? [])];
  const hint = told === "" ? hintFor(instance, logTail) : told;
  return {
    kind: "failed",
    failure: { instance: displayName(instance.spec), reason, logTail, ...(hint === undefined ? {} : { hint }) },
  };
}

export function displayName(spec: { readonly process: string; readonly ordinal: number }): string {
  return `${spec.process}-${spec.ordinal}`;
}

function crashReason({ spec, status }: Resource<"Instance">): string {
  const { lastExit, restarts } = status;
  if (lastExit === undefined) return `ended ${restarts} times`;
  if (lastExit.outOfMemory) return `was killed ${restarts} times: it needed more than its ${formatBytes(spec.memoryBytes)}`;
  return lastExit.signal === undefined
    ? `exited with ${lastExit.code}, ${restarts} times`
    : `ended by ${lastExit.signal}, ${restarts} times`;
}

/** What to change, where the way it failed says so. */
export function hintFor({ spec, status }: Resource<"Instance">, logTail: readonly string[]): string | undefined {
  const exit = status.lastExit;
  if (exit?.outOfMemory) return `give process ${spec.process} more memory than ${formatBytes(spec.memoryBytes)}`;
  if (exit?.startsRefused !== undefined)
    return `it had all of its ${INSTANCE_PIDS} processes and threads and was refused more: let it start fewer, and wait for those that ended`;
  const text = logTail.join("\n");
  if (exit?.code === 127 || /executable file .*not found|no such file or directory.*exec/i.test(text))
    return "the image does not have the command that it is to run; check CMD and the process's command";
  if (exit?.code === 126) return "the command in the image is not executable; check its mode and its #! line";
  if (/EADDRINUSE|address already in use/i.test(text)) return "two parts of it listen on the same port; only one may use PORT";
  return spec.port === undefined ? undefined : listeningHint(logTail, spec.port);
}

/** What programs usually print when they listen; read only to say what to change, never to decide. */
function listeningHint(logTail: readonly string[], port: number): string | undefined {
  for (const line of logTail) {
    if (!/\b(?:listen\w*|running|started|serving|ready)\b/i.test(line)) continue;
    const address = /(127\.0\.0\.1|localhost|\[::1\]|0\.0\.0\.0):(\d{2,5})\b/i.exec(line);
    const told = address?.[2] ?? /\bport:? (\d{2,5})\b/i.exec(line)?.[1];
    if (told === undefined) continue;
    const loopback = address !== null && address[1] !== "0.0.0.0";
    if (!loopback && Number(told) === port) continue;
    const where = address === null ? `port ${told}` : address[0];
    // A program that cannot be told its port: the app can be told.
    const toldTo = loopback ? "" : `, or say port: ${told} in plimsoll.yaml`;
    return `it listens on ${where}, the probe asks port ${port} on all addresses: use the PORT variable and 0.0.0.0${toldTo}`;
  }
  return undefined;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
