import type { WatchEvent } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core/errors";
import type { Client } from "./client.ts";
import type { Call } from "./command.ts";
import { type FollowOptions, followEvents } from "./event-stream.ts";
import type { Place } from "./place.ts";

/**
 * Every change in a namespace from now on, once each, across restarts of the platform; first undefined, when the watch stands and what
 * is read from here on is followed by its changes, and again after a pause so long that changes were missed.
 */
export async function* changes(client: Client, place: Place, options: FollowOptions): AsyncGenerator<WatchEvent | undefined> {
  const namespace = await client.call("GET /api/v1/namespaces/:team/:namespace", { params: { ...place } });
  while (!options.signal.aborted) {
    const { version } = await client.list("GET /api/v1/namespaces/:team/:namespace/apps", { params: { ...place } }, 1);
    yield undefined;
    const query = { scope: `${namespace.metadata.uid}:${version}` };
    const open = (lastEventId: string | undefined) =>
      client.events("GET /api/v1/watch", { query }, { lastEventId, signal: options.signal });
    for await (const { event, data } of followEvents(open, options)) {
      if (event === "gone") break;
      if (event === "message" && data !== "") yield JSON.parse(data) as WatchEvent;
    }
  }
}

/**
 * Looks, and looks again at each change of the namespace, until there is an answer. AppError `timeout` with `waitedFor` after
 * `timeoutMs`.
 */
export async function untilSeen<T>(
  call: Call,
  place: Place,
  wanted: { readonly look: () => Promise<T | undefined>; readonly timeoutMs: number; readonly waitedFor: string },
): Promise<T> {
  const client = await call.client();
  const late = AbortSignal.timeout(wanted.timeoutMs);
  for await (const _ of changes(client, place, { signal: AbortSignal.any([call.signal, late]) })) {
    const seen = await wanted.look();
    if (seen !== undefined) return seen;
  }
  const seconds = Math.round(wanted.timeoutMs / 1_000);
  throw new AppError("timeout", `${wanted.waitedFor} took longer than ${seconds} s; it goes on. See: plim events`);
}
