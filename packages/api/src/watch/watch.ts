import type { WatchEvent } from "@plimsoll/contracts";
import { AppError, type Resource } from "@plimsoll/core";
import { identifyUser } from "../auth/authenticate.ts";
import { type Caller, callerOf } from "../caller.ts";
import type { Api } from "../context.ts";
import type { Credential } from "../http/route.ts";
import { HEARTBEAT, HEARTBEAT_MS, sseEvent } from "../http/sse.ts";
import { assertWatchable, isVisible } from "./scopes.ts";

/** Changes read and sent as one chunk. */
const BATCH = 100;
/** How long a revoked session, token or membership still sees changes. */
const RECHECK_MS = 30_000;

/**
 * Everything that changes in these scopes after the given versions, in the order of each scope, and then what happens. A scope whose
 * log does not reach back so far ends with `gone`: list again. Ends when the credential is revoked or a scope is no longer the
 * caller's. Reads only when its reader reads.
 */
export async function* watch(
  api: Api,
  first: { readonly caller: Caller; readonly credential: Credential },
  scopes: ReadonlyMap<string, number>,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const positions = new Map(scopes);
  const subscription = api.signals.subscribe([...positions.keys()].map((key) => ({ channel: "plimsoll_changes", key })));
  const recheck = every(api, RECHECK_MS);
  const heartbeat = every(api, HEARTBEAT_MS);
  let caller: Caller | undefined = first.caller;
  const unread = new Set<string>();
  try {
    yield "retry: 1000\n: watching\n\n";
    while (!signal.aborted && positions.size > 0) {
      for (const scope of subscription.take()) unread.add(scope);
      for (const scope of unread) {
        if (recheck.isDue()) caller = await stillAllowed(api, first.credential, positions.keys());
        if (caller === undefined) return;
        const { chunk, whole } = await nextChanges(api, caller, scope, positions);
        if (whole) unread.delete(scope);
        if (chunk === "") continue;
        heartbeat.restart();
        yield chunk;
      }
      if (unread.size > 0 || positions.size === 0) continue;
      await subscription.wait(Math.min(recheck.leftMs(), heartbeat.leftMs()), signal);
      if (recheck.isDue()) caller = await stillAllowed(api, first.credential, positions.keys());
      if (caller === undefined) return;
      if (heartbeat.isDue()) yield HEARTBEAT;
    }
  } finally {
    subscription.close();
  }
}

/** The next changes of one scope as one chunk, and whether that is all there is now; moves the scope's position along. */
async function nextChanges(api: Api, caller: Caller, scope: string, positions: Map<string, number>) {
  const after = positions.get(scope);
  if (after === undefined) return { chunk: "", whole: true };
  const rows = await api.db.changes(scope, after, BATCH).catch(goneAsUndefined);
  if (rows === undefined) {
    positions.delete(scope);
    return { chunk: sseEvent({ event: "gone", data: { scope } }), whole: true };
  }
  positions.set(scope, rows.at(-1)?.version ?? after);
  const events = rows
    .filter((row) => isVisible(caller, row))
    .map(({ type, version, object }) => {
      const event: WatchEvent = { type, scope, version, object: object as Resource };
      return sseEvent({ id: `${scope}:${version}`, data: event });
    });
  return { chunk: events.join(""), whole: rows.length < BATCH };
}

function goneAsUndefined(error: unknown): undefined {
  if (error instanceof AppError && error.code === "gone") return undefined;
  throw error;
}

/** The caller as they are by now, or undefined when they may not watch all of this any more. */
async function stillAllowed(api: Api, credential: Credential, scopes: Iterable<string>): Promise<Caller | undefined> {
  try {
    const { user } = await identifyUser(api, credential);
    const caller = callerOf(user);
    for (const scope of scopes) await assertWatchable(api.db, caller, scope);
    return caller;
  } catch (error) {
    if (error instanceof AppError && (error.code === "unauthenticated" || error.code === "not_found")) return undefined;
    throw error;
  }
}

/** Something to be done every so often, by a loop that asks. */
function every({ clock }: Pick<Api, "clock">, periodMs: number) {
  let dueMs = clock.now().getTime() + periodMs;
  const restart = () => {
    dueMs = clock.now().getTime() + periodMs;
  };
  return {
    restart,
    leftMs: () => Math.max(0, dueMs - clock.now().getTime()),
    isDue(): boolean {
      if (clock.now().getTime() < dueMs) return false;
      restart();
      return true;
    },
  };
}
