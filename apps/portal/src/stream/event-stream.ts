import { ProblemError, problemFromText, problemOf, unreachable } from "#api/problem.ts";
import { backoffMs } from "./backoff.ts";
import { createEventParser, type ServerEvent } from "./event-parser.ts";

/** The server sends a comment every 15 s: three missed ones mean that the connection is dead, although nobody said so. */
const STALL_MS = 45_000;

/** A connection that held so long was a good one. */
export const SETTLED_MS = 5_000;

export interface EventStreamOptions {
  readonly signal: AbortSignal;
  /** Where an earlier stream ended: sent as Last-Event-ID. */
  readonly lastEventId?: string | undefined;
  readonly onOpen?: () => void;
  readonly onEvent: (event: ServerEvent) => void;
}

/**
 * Reads one event stream to its end. `fetch`, not EventSource: it tells why it was refused, takes a Last-Event-ID, and a silent
 * connection (a laptop that slept) is noticed.
 *
 * Throws ProblemError when it is refused, cannot be reached, breaks, tells an error, or falls silent; returns when the server ends it or `signal` aborts.
 */
export async function readEventStream(url: string, options: EventStreamOptions): Promise<void> {
  const connection = new AbortController();
  let reader: ReadableStreamDefaultReader<string> | undefined;
  const stop = () => {
    connection.abort();
    // An abort may not reach the body of an answer that has begun (its request may be garbage by then); this does.
    reader?.cancel().catch(() => undefined);
  };
  options.signal.addEventListener("abort", stop);
  let stall: ReturnType<typeof setTimeout> | undefined;
  const alive = () => {
    clearTimeout(stall);
    stall = setTimeout(stop, STALL_MS);
  };
  try {
    if (options.signal.aborted) return;
    alive();
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (options.lastEventId) headers["last-event-id"] = options.lastEventId;
    const response = await fetch(url, { headers, cache: "no-store", signal: connection.signal });
    if (!response.ok || !response.body) throw await problemOf(response);
    options.onOpen?.();
    const parse = createEventParser((event) => {
      if (event.event === "error") throw problemFromText(event.data);
      options.onEvent(event);
    });
    reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    if (options.signal.aborted) return;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      parse(value);
    }
  } catch (error) {
    if (options.signal.aborted) return;
    throw error instanceof ProblemError ? error : unreachable(error);
  } finally {
    clearTimeout(stall);
    options.signal.removeEventListener("abort", stop);
    stop();
  }
}

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** The address of the next connection: called for each, so that it can carry on where the last one ended. */
  readonly url: () => string;
  /** Answers "end" when there is no more to come. */
  readonly onEvent: (event: ServerEvent) => "end" | "more";
  readonly onState: (state: FollowState) => void;
}
export type FollowState =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  /** `error`: what the last try was answered; absent when the stream only ended early. */
  | { readonly kind: "reconnecting"; readonly error?: ProblemError }
  | { readonly kind: "ended" }
  | { readonly kind: "refused"; readonly error: ProblemError };

/** Follows a stream to its `end`, reconnecting with growing pauses and Last-Event-ID. Ends for good when refused (4xx) or aborted. */
export async function followEventStream(options: FollowOptions): Promise<void> {
  let lastEventId: string | undefined;
  let attempt = 0;
  options.onState({ kind: "connecting" });
  while (!options.signal.aborted) {
    const connection = new AbortController();
    let reader: ReadableStreamDefaultReader<string> | undefined;
    const stop = () => {
      connection.abort();
      // An abort may not reach the body of an answer that has begun (its request may be garbage by then); this does.
      reader?.cancel().catch(() => undefined);
    };
    options.signal.addEventListener("abort", stop);
    let ended = false;
    let failed: ProblemError | undefined;
    let openedMs: number | undefined;
    try {
      await readEventStream(options.url(), {
        signal: connection.signal,
        lastEventId,
        onOpen: () => {
          openedMs = Date.now();
          options.onState({ kind: "live" });
        },
        onEvent: (event) => {
          if (ended) return;
          if (event.id !== "") lastEventId = event.id;
          if (options.onEvent(event) === "end") {
            ended = true;
            connection.abort();
          }
        },
      });
    } catch (error) {
      failed = error instanceof ProblemError ? error : unreachable(error);
      if (failed.final) {
        options.onState({ kind: "refused", error: failed });
        return;
      }
    } finally {
      options.signal.removeEventListener("abort", stop);
    }
    if (ended) options.onState({ kind: "ended" });
    if (ended || options.signal.aborted) return;
    // A stream that ends at once, again and again, is asked for ever more rarely.
    if (openedMs !== undefined && Date.now() - openedMs > SETTLED_MS) attempt = 0;
    options.onState({ kind: "reconnecting", ...(failed ? { error: failed } : {}) });
    await pause(backoffMs(attempt++), options.signal);
  }
}

/** Resolves after `ms`, or at once when `signal` aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) return done();
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      done();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish);
  });
}
