import { createHash } from "node:crypto";
import { isBuildOver } from "@plimsoll/core";
import type { Caller } from "../caller.ts";
import type { Api } from "../context.ts";
import { HEARTBEAT, HEARTBEAT_MS, sseEvent } from "../http/sse.ts";

const BATCH = 500;

/**
 * How far a reader came: the number of the last event it got, and what that event was. A build that is begun again numbers its events
 * anew and may have as many by now, so the number alone does not say whether it goes on or starts over.
 */
interface Position {
  readonly seq: number;
  readonly mark: string;
}

const START: Position = { seq: -1, mark: "" };

/** Last-Event-ID of a reader that comes back; from the start when there is none, or it is no id of ours. */
export function parsePosition(lastEventId: string | null): Position {
  const [, seq, mark] = /^(\d{1,9})-([0-9a-f]{8})$/.exec(lastEventId ?? "") ?? [];
  return seq === undefined || mark === undefined ? START : { seq: Number(seq), mark };
}

/**
 * The progress of a build after `from`, then as it comes; `end` when the build is over and all was told. When a build is begun again its
 * progress starts anew: then `restart`, and everything from the first event.
 */
export async function* followBuildLog(
  api: Api,
  caller: Caller,
  build: { readonly uid: string; readonly namespaceUid: string },
  from: Position,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const reader = api.db.objects(caller.scope);
  const subscription = api.signals.subscribe([
    { channel: "plimsoll_build_log", key: build.uid },
    { channel: "plimsoll_changes", key: build.namespaceUid },
  ]);
  let last = from;
  try {
    yield "retry: 1000\n: following\n\n";
    while (!signal.aborted) {
      subscription.take();
      // The phase first: what a build that is over has said is all there when we read after.
      const phase = (await reader.find("Build", build.uid))?.status.phase;
      if (last !== START && !(await isStillTold(api, build.uid, last))) {
        last = START;
        yield sseEvent({ event: "restart", data: {} });
      }
      for (;;) {
        const entries = await api.db.platform.buildLog(build.uid, last.seq, BATCH);
        const newest = entries.at(-1);
        if (newest === undefined) break;
        last = positionOf(newest);
        yield entries.map((entry) => sseEvent({ id: idOf(positionOf(entry)), data: entry })).join("");
        if (entries.length < BATCH) break;
      }
      if (phase === undefined || isBuildOver(phase)) return yield sseEvent({ event: "end", data: { phase: phase ?? "deleted" } });
      if (!(await subscription.wait(HEARTBEAT_MS, signal))) yield HEARTBEAT;
    }
  } finally {
    subscription.close();
  }
}

type Entry = { readonly seq: number; readonly event: unknown };

async function isStillTold(api: Api, buildUid: string, { seq, mark }: Position): Promise<boolean> {
  const [entry] = await api.db.platform.buildLog(buildUid, seq - 1, 1);
  return entry?.seq === seq && positionOf(entry).mark === mark;
}

/** Events hold the time since their build began, so that two tries hardly ever say the same at the same place. */
function positionOf({ seq, event }: Entry): Position {
  return { seq, mark: createHash("sha256").update(JSON.stringify(event)).digest("hex").slice(0, 8) };
}

function idOf({ seq, mark }: Position): string {
  return `${seq}-${mark}`;
}
