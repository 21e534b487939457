import { AppError, type ErrorCode } from "@plimsoll/core/errors";

/** One event of a server-sent stream. */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
  /** Of this event or the last one that had one: what to come back with. */
  readonly id?: string;
}

/** Events of a `text/event-stream` (WHATWG HTML, 9.2.6): comments and unknown fields are skipped, an event needs its blank line. */
export async function* parseEvents(chunks: AsyncIterable<string>): AsyncGenerator<ServerEvent> {
  let rest = "";
  let event = "message";
  let id: string | undefined;
  let data: string[] = [];
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0 || event !== "message") yield { event, data: data.join("\n"), ...(id === undefined ? {} : { id }) };
        event = "message";
        data = [];
      } else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      else if (line.startsWith("event:")) event = line.slice(6).trim();
      else if (line.startsWith("id:")) id = line.slice(3).trim();
    }
  }
}

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Told once when the stream broke and did not come back at once, and once when it is there again. */
  readonly onLink?: (state: "broken" | "back") => void;
  /** Pauses between tries, in ms; the last one is repeated. */
  readonly pausesMs?: readonly number[];
  /** How long it is tried; then the last refusal is thrown. */
  readonly patienceMs?: number;
}

const PAUSES_MS = [100, 200, 400, 800, 1_500, 3_000];
const PATIENCE_MS = 10 * 60_000;
/** A connection that held so long was a good one. */
const SETTLED_MS = 2_000;
/** Breaks that are mended sooner are not worth a word. */
const QUIET_MS = 1_500;

/** What a stream begins with here, once the platform has agreed to it. */
export const OPENED: ServerEvent = { event: "opened", data: "" };

/**
 * Follows a stream across broken connections and restarts of the platform: it comes back with the id of the last event, so that none is
 * lost and none comes twice. Ends when its reader leaves or the signal aborts. Throws what the platform refuses for good.
 */
export async function* followEvents(
  open: (lastEventId: string | undefined) => AsyncIterable<ServerEvent>,
  { signal, onLink, pausesMs = PAUSES_MS, patienceMs = PATIENCE_MS }: FollowOptions,
): AsyncGenerator<ServerEvent> {
  let lastEventId: string | undefined;
  let attempt = 0;
  let brokenSinceMs: number | undefined;
  let told = false;
  while (!signal.aborted) {
    let failure: unknown;
    let openedMs: number | undefined;
    const mended = () => {
      attempt = 0;
      brokenSinceMs = undefined;
    };
    try {
      for await (const event of open(lastEventId)) {
        if (event.event === "error") throw problemOf(event.data);
        if (event === OPENED) {
          openedMs = performance.now();
          if (told) onLink?.("back");
          told = false;
          continue;
        }
        mended();
        lastEventId = event.id ?? lastEventId;
        yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!mayPass(error)) throw error;
      failure = error;
    }
    if (signal.aborted) return;
    // One that says nothing but holds is a good one; one that ends at once is tried ever more rarely.
    if (openedMs !== undefined && performance.now() - openedMs > SETTLED_MS) mended();
    brokenSinceMs ??= performance.now();
    const brokenForMs = performance.now() - brokenSinceMs;
    if (brokenForMs > patienceMs)
      throw failure ?? new AppError("unavailable", "The platform ends the stream at once, again and again; try later.");
    if (!told && brokenForMs > QUIET_MS) {
      told = true;
      onLink?.("broken");
    }
    await pause(pausesMs[Math.min(attempt++, pausesMs.length - 1)] ?? 1_000, signal);
  }
}

/** Whether the same request may succeed a little later. */
export function mayPass(error: unknown): boolean {
  return error instanceof AppError && ["unavailable", "timeout", "internal", "rate_limited"].includes(error.code);
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

/** A refusal that the API wrote as problem details (RFC 9457), with the fields that it names. */
export function problemOf(text: string): AppError {
  try {
    const { code, detail, fields }: { code?: unknown; detail?: unknown; fields?: { path: string; message: string }[] } = JSON.parse(text);
    if (typeof code === "string" && typeof detail === "string") {
      const named = fields?.map(({ path, message }) => `\n  ${path}: ${message}`).join("") ?? "";
      return new AppError(code as ErrorCode, detail + named);
    }
  } catch {
    // Not ours: said below.
  }
  return new AppError("unavailable", "The platform broke off without saying why; try again, and look at `npm run status` there.");
}
