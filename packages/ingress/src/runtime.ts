import { connect } from "node:net";
import { AppError } from "@plimsoll/core";

const TIMEOUT_MS = 3_000;
/** A command line takes at most one buffer (16 KiB, tune.bufsize): batches stay well below. */
const MAX_BATCH_BYTES = 8_000;

/**
 * Asks HAProxy's runtime socket several things at once; the answers, one a command, in order, all by the same worker up to 8 KB of
 * commands. For questions: a refusal ends without the empty line that tells one answer from the next (sendEach). AppError `unavailable`
 * when nobody listens.
 */
export async function sendCommands(socketPath: string, commands: readonly string[]): Promise<readonly string[]> {
  const answers: string[] = [];
  for (const batch of batches(commands)) answers.push(...(await sendBatch(socketPath, batch)));
  return answers;
}

/** Sends commands that may be refused, one after the other; the answers in order. AppError `unavailable` when nobody listens. */
export async function sendEach(socketPath: string, commands: readonly string[]): Promise<readonly string[]> {
  const answers: string[] = [];
  for (const command of commands) answers.push(...(await sendBatch(socketPath, [command])));
  return answers;
}

/** An answer; undefined when nobody answers. */
export async function ifAvailable<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof AppError && error.code === "unavailable") return undefined;
    throw error;
  }
}

/** Several commands on one line are answered one after the other, each answer ending with an empty line (management guide, 9.3). */
function sendBatch(socketPath: string, commands: readonly string[]): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(socketPath);
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error("timed out")));
    // Ended on our side, as the master's socket waits for more after a command that it passed on.
    socket.on("connect", () => socket.end(`${commands.join(";")}\n`));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
    });
    const fail = (cause?: Error) => {
      const details = { asked: commands.slice(0, 10), answered: text.slice(0, 2_000) };
      reject(new AppError("unavailable", "The ingress does not answer on its runtime socket; it is started again.", { cause, details }));
    };
    socket.on("error", fail);
    socket.on("end", () => {
      const answers = splitAnswers(text, commands.length);
      if (answers.length === commands.length) resolve(answers);
      else fail(); // It was ended, or executed itself anew, after it had taken our connection.
    });
  });
}

/** Pure: the answers of one batch. An answer without text is an empty line; one with text ends with an empty line. */
export function splitAnswers(text: string, count: number): readonly string[] {
  const answers: string[] = [];
  let current: string[] = [];
  for (const line of text.split("\n")) {
    if (line !== "") current.push(line);
    else if (answers.length < count) {
      answers.push(current.join("\n"));
      current = [];
    }
  }
  return answers;
}

function batches(commands: readonly string[]): readonly (readonly string[])[] {
  const all: string[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const command of commands) {
    if (size + command.length + 1 > MAX_BATCH_BYTES) {
      all.push([]);
      size = 0;
    }
    all.at(-1)?.push(command);
    size += command.length + 1;
  }
  return all;
}

export interface RuntimeServer {
  readonly backend: string;
  readonly name: string;
  readonly endpoint: string;
  /** Nobody took it out: it takes new requests. */
  readonly enabled: boolean;
  /** In maintenance, so that it can be deleted; a draining one is neither. */
  readonly isOut: boolean;
}

/** Pure: servers of `show servers state` (format 1: management guide); the admin state is a set of bits, 1 is forced maintenance. */
export function parseServers(text: string): readonly RuntimeServer[] {
  return text
    .split("\n")
    .filter((line) => /^\d+ /.test(line))
    .map((line) => line.split(" "))
    .map((columns) => ({
      backend: columns[1] ?? "",
      name: columns[3] ?? "",
      endpoint: `${columns[4]}:${columns[18]}`,
      enabled: columns[6] === "0",
      isOut: (Number(columns[6]) & 1) !== 0,
    }));
}

/** Pure: key → value of `show map FILE`, whose lines begin with a pointer. */
export function parseMap(text: string): ReadonlyMap<string, string> {
  return new Map(
    text
      .split("\n")
      .filter((line) => line.startsWith("0x"))
      .map((line) => line.split(" "))
      .map(([, key = "", value = ""]) => [key, value]),
  );
}

/** Pure: `show proc` of the master: itself, and its workers, replaced ones that still have connections last. */
export function parseProcesses(text: string): { readonly master: number | undefined; readonly workers: readonly number[] } {
  const pids = (type: string) => [...text.matchAll(new RegExp(`^(\\d+)\\s+${type}\\s`, "gm"))].map((match) => Number(match[1]));
  return { master: pids("master")[0], workers: pids("worker") };
}

/** Pure: who answers `show info`, and whether it was replaced and has nothing left to do but to answer us. */
export function parseInfo(text: string): { readonly pid: number; readonly isDone: boolean } {
  const value = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(text)?.[1]);
  // Listeners and sessions are jobs. Of sessions there are ours and, unstoppable, what the master asks by; a connection that was accepted
  // a moment ago has none yet.
  const others = value("Jobs") - value("Unstoppable Jobs") - 1;
  return { pid: value("Pid"), isDone: value("Stopping") === 1 && others <= 0 && value("CurrConns") === 0 };
}
