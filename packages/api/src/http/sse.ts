import { toAppError } from "@plimsoll/core";
import { problemOf } from "./problem.ts";

/** A comment line: keeps proxies and readers from giving up, and is ignored by clients. */
export const HEARTBEAT = ": \n\n";
export const HEARTBEAT_MS = 15_000;

/** One server-sent event (HTML standard, 9.2): JSON data holds no line break, so one data line is enough. */
export function sseEvent(fields: { readonly id?: string; readonly event?: string; readonly data: unknown }): string {
  const id = fields.id === undefined ? "" : `id: ${fields.id}\n`;
  const event = fields.event === undefined ? "" : `event: ${fields.event}\n`;
  return `${id}${event}data: ${JSON.stringify(fields.data)}\n\n`;
}

/**
 * Answers with a stream of events that is made only as fast as it is read, so a slow reader costs one chunk of memory, never a queue.
 * The signal is aborted when the reader leaves; an error ends the stream with an `error` event that carries the problem.
 */
export function eventStream(request: Request, make: (signal: AbortSignal) => AsyncGenerator<string, void>): Response {
  const abort = new AbortController();
  const leave = () => abort.abort();
  request.signal.addEventListener("abort", leave, { once: true });
  const events = make(abort.signal);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await events.next();
        if (!done) return controller.enqueue(encoder.encode(value));
      } catch (error) {
        controller.enqueue(encoder.encode(sseEvent({ event: "error", data: problemOf(toAppError(error)) })));
      }
      request.signal.removeEventListener("abort", leave);
      controller.close();
    },
    async cancel() {
      leave();
      await events.return();
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" } });
}
