import type { StreamRequest } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";

/** A host is woken at once, and asks by itself every 30 s. */
const ANSWER_MS = 35_000;
const MAX_PENDING = 500;
const MAX_PENDING_OF_HOST = 100;

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
/** What somebody wants to be streamed. */
export type StreamWish = WithoutId<StreamRequest>;

export interface StreamHost {
  readonly uid: string;
  readonly name: string;
}

/**
 * Brings together somebody who waits for a stream and the host that has it: the wish is part of the host's desired state, the host
 * posts the answer, and its body flows on to whoever waits, as fast as they read. In this process only: with several API processes,
 * hosts and readers must reach the same one. Nothing is kept.
 */
export interface StreamBroker {
  /**
   * Asks a host and resolves with its answer once that has begun. Throws `timeout` when the host says nothing for 35 s, `unavailable`
   * when too many wait already, and what the host refused with. Aborting `signal` takes the wish back; whoever got the stream must
   * read it to its end or cancel it, which tells the host.
   */
  open(host: StreamHost, wish: StreamWish, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>;
  /** What is still wished from a host. */
  pending(hostUid: string): readonly StreamRequest[];
  /**
   * A host answers: with a body, or with the reason why not. Resolves when the reader has it all or has left; `not_found` when nobody
   * waits for this stream of this host (any more).
   */
  answer(hostUid: string, id: string, body: ReadableStream<Uint8Array> | AppError): Promise<void>;
}

interface Waiting {
  readonly host: StreamHost;
  readonly request: StreamRequest;
  resolve(stream: ReadableStream<Uint8Array>): void;
  reject(error: AppError): void;
}

export interface StreamBrokerOptions {
  /** Makes the host read its desired state now; must survive being called often. */
  readonly wake: (hostUid: string) => Promise<void>;
  readonly answerMs?: number;
  readonly newId: () => string;
}

export function createStreamBroker({ wake, newId, answerMs = ANSWER_MS }: StreamBrokerOptions): StreamBroker {
  const waiting = new Map<string, Waiting>();
  const pending = (hostUid: string) => [...waiting.values()].filter(({ host }) => host.uid === hostUid).map(({ request }) => request);

  return {
    pending,
    async open(host, wish, signal) {
      if (waiting.size >= MAX_PENDING || pending(host.uid).length >= MAX_PENDING_OF_HOST)
        throw new AppError("unavailable", `Too many streams of host ${host.name} are waited for; try again in a minute.`);
      const { promise, resolve, reject } = Promise.withResolvers<ReadableStream<Uint8Array>>();
      const request = { ...wish, id: newId() } as StreamRequest;
      waiting.set(request.id, { host, request, resolve, reject });
      const timer = setTimeout(() => reject(silent(host, answerMs)), answerMs);
      const leave = () => reject(new AppError("timeout", "The reader left before the host answered.", { retry: "never" }));
      signal.addEventListener("abort", leave, { once: true });
      if (signal.aborted) leave();
      // A wake-up that fails costs time only: the host asks by itself.
      wake(host.uid).catch(() => undefined);
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", leave);
        waiting.delete(request.id);
      }
    },
    async answer(hostUid, id, body) {
      const found = waiting.get(id);
      if (found === undefined || found.host.uid !== hostUid) throw new AppError("not_found", "Nobody waits for this stream any more.");
      waiting.delete(id);
      if (body instanceof AppError) return found.reject(body);
      const { stream, ended } = throughPipe(body, found.host);
      found.resolve(stream);
      await ended;
    },
  };
}

/** The same bytes as a stream of our own, whose end, whoever made it, can be waited for. Pulls only when it is read. */
function throughPipe(body: ReadableStream<Uint8Array>, host: StreamHost) {
  const reader = body.getReader();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          controller.close();
        } catch (cause) {
          controller.error(new AppError("unavailable", `Host ${host.name} stopped in the middle of the stream; try again.`, { cause }));
        }
        end();
      },
      cancel(reason) {
        end();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, ended };
}

function silent(host: StreamHost, answerMs: number): AppError {
  const seconds = Math.round(answerMs / 1_000);
  return new AppError("timeout", `Host ${host.name} did not answer within ${seconds} s; see whether its agent runs: \`npm run status\`.`);
}
