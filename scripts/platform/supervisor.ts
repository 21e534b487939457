import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { errorText } from "@plimsoll/core";
import { start } from "@plimsoll/exec";
import { z } from "zod";
import { decide, failuresAfter } from "./decide.ts";
import { readJson, writeJson } from "./json-file.ts";
import { openLog, rotateLog } from "./log-file.ts";
import { identify, isAlive, type ProcessIdentity, signal } from "./process-identity.ts";
import { fingerprintOf, type ProcessSpec } from "./process-spec.ts";

const ProcessRecord = z.object({
  pid: z.int(),
  startTicks: z.number(),
  bootId: z.string(),
  fingerprint: z.string(),
  startedAt: z.string(),
  restarts: z.int(),
});
const ProcessRecords = z.record(z.string(), ProcessRecord);

/** What was started under a name, and how often it had to be started again. */
export type ProcessRecord = z.infer<typeof ProcessRecord>;
export type ProcessRecords = Readonly<Record<string, ProcessRecord>>;

export interface SupervisorOptions {
  /** What should run now; read again on every look. */
  readonly specs: () => readonly ProcessSpec[];
  readonly recordsPath: string;
  readonly logsDir: string;
  readonly say: (line: string) => void;
}

export interface Supervisor {
  /** Looks at once instead of at the next tick. */
  wake(): void;
  /** Stops looking, and resolves when it neither starts nor stops anything any more; what runs is left running. */
  leave(): Promise<void>;
}

/** Between two looks at processes that are no children of ours, because an earlier supervisor started them. */
const LOOK_EVERY_MS = 150;
const ROTATE_EVERY_MS = 10_000;

interface Tracked {
  record: ProcessRecord | undefined;
  failures: number;
  endedAtMs: number | undefined;
  stoppingSinceMs: number | undefined;
  startedAtMs: number;
}

/** The records that the last supervisor wrote, whether or not it still runs. */
export function readRecords(recordsPath: string): ProcessRecords {
  return readJson(recordsPath, ProcessRecords) ?? {};
}

export function writeRecords(recordsPath: string, records: ProcessRecords): void {
  writeJson(recordsPath, records);
}

/**
 * Keeps the wanted processes running: starts what is missing, adopts what an earlier supervisor started, restarts what ends (the
 * first time within a tick, then with growing pauses), replaces what is of another program or code. Processes are detached and
 * write their own logs, so that the end of the supervisor, kill -9 included, is no event for them. One per records file.
 */
export function supervise(options: SupervisorOptions): Supervisor {
  const tracked = new Map<string, Tracked>(
    Object.entries(readRecords(options.recordsPath)).map(([name, record]) => [name, { ...fresh(), record }]),
  );
  let current: Promise<void> | undefined;
  let lookAgain = false;
  let left = false;

  function look(): void {
    lookAgain = true;
    current ??= lookUntilQuiet().finally(() => {
      current = undefined;
    });
  }

  async function lookUntilQuiet(): Promise<void> {
    while (lookAgain && !left) {
      lookAgain = false;
      try {
        await lookOnce();
      } catch (error) {
        options.say(`cannot look after the processes: ${errorText(error)}`);
      }
    }
  }

  async function lookOnce(): Promise<void> {
    const specs = new Map(options.specs().map((spec) => [spec.name, spec]));
    for (const name of new Set([...specs.keys(), ...tracked.keys()])) {
      if (left) return;
      const state = tracked.get(name) ?? fresh();
      tracked.set(name, state);
      await lookAt(name, state, specs.get(name));
    }
  }

  async function lookAt(name: string, state: Tracked, spec: ProcessSpec | undefined): Promise<void> {
    const nowMs = Date.now();
    const alive = state.record !== undefined && isAlive(state.record);
    if (!alive && state.record !== undefined && state.endedAtMs === undefined) {
      const askedFor = state.stoppingSinceMs !== undefined;
      state.failures = failuresAfter({ failures: state.failures, ranForMs: nowMs - state.startedAtMs, askedFor });
      state.endedAtMs = nowMs;
      state.stoppingSinceMs = undefined;
      options.say(`${name} ended${askedFor ? ", as it should" : ""}`);
    }
    const decision = decide({
      wanted: spec !== undefined,
      alive,
      current: spec !== undefined && state.record?.fingerprint === fingerprintOf(spec),
      failures: state.failures,
      endedAtMs: state.endedAtMs,
      stoppingSinceMs: state.stoppingSinceMs,
      graceMs: spec?.graceMs ?? 10_000,
      nowMs,
    });
    switch (decision.act) {
      case "nothing":
      case "wait":
        return;
      case "start":
        if (spec !== undefined) await startOne(spec, state);
        return;
      case "ask-to-stop":
        state.stoppingSinceMs = nowMs;
        options.say(`${name} is asked to stop: ${spec === undefined ? "not wanted any more" : "its program, settings or code changed"}`);
        if (state.record !== undefined) signal(state.record, spec?.stopSignal ?? "SIGTERM");
        return;
      case "kill":
        options.say(`${name} is killed: it did not stop in time`);
        if (state.record !== undefined) signal(state.record, "SIGKILL");
        return;
      case "forget":
        tracked.delete(name);
        keepRecords();
    }
  }

  async function startOne(spec: ProcessSpec, state: Tracked): Promise<void> {
    const restarts = state.record === undefined ? 0 : state.record.restarts + 1;
    state.startedAtMs = Date.now();
    try {
      const identity = await launch(spec, options.logsDir, look);
      state.record = { ...identity, fingerprint: fingerprintOf(spec), startedAt: new Date().toISOString(), restarts };
      state.endedAtMs = undefined;
      keepRecords();
      options.say(`${spec.name} started as process ${identity.pid}`);
    } catch (error) {
      state.failures++;
      state.endedAtMs = Date.now();
      options.say(`${spec.name} could not be started: ${errorText(error)}`);
    }
  }

  function keepRecords(): void {
    const known = [...tracked].flatMap(([name, { record }]) => (record === undefined ? [] : [[name, record] as const]));
    writeRecords(options.recordsPath, Object.fromEntries(known));
  }

  const lookTimer = setInterval(look, LOOK_EVERY_MS);
  const rotateTimer = setInterval(() => {
    for (const name of tracked.keys()) rotateLog(join(options.logsDir, `${name}.log`));
  }, ROTATE_EVERY_MS);
  look();
  return {
    wake: look,
    leave: async () => {
      left = true;
      clearInterval(lookTimer);
      clearInterval(rotateTimer);
      await current;
    },
  };
}

/** Starts a process in a session of its own, its output appended to its log, and answers who it is. */
async function launch(spec: ProcessSpec, logsDir: string, onEnd: () => void): Promise<ProcessIdentity> {
  const log = openLog(join(logsDir, `${spec.name}.log`));
  const directories: number[] = [];
  try {
    for (const directory of spec.directories ?? []) directories.push(openSync(directory, "r"));
    const child = await start(spec.argv, {
      cwd: spec.cwd,
      env: spec.env,
      detached: true,
      stdio: ["ignore", log, log, ...directories],
      ...(spec.uid === undefined ? {} : { uid: spec.uid }),
      ...(spec.gid === undefined ? {} : { gid: spec.gid }),
    });
    child.once("exit", onEnd);
    // The supervisor's own end must not wait for it.
    child.unref();
    const identity = identify(child.pid);
    // Ended before it could be looked at: an identity that nothing has, so that the next look sees its end.
    return identity ?? { pid: child.pid, startTicks: -1, bootId: "" };
  } finally {
    for (const descriptor of [log, ...directories]) closeSync(descriptor);
  }
}

function fresh(): Tracked {
  return { record: undefined, failures: 0, endedAtMs: undefined, stoppingSinceMs: undefined, startedAtMs: Date.now() };
}
