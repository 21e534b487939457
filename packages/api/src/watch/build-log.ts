import { isBuildOver } from "@plimsoll/core";
import type { Caller } from "../caller.ts";
import type { Api } from "../context.ts";
import { HEARTBEAT, HEARTBEAT_MS, sseEvent } from "../http/sse.ts";

const BATCH = 500;

/**
 * The progress of a build after `afterSeq` (-1: all of it), then as it comes; `end` when the build is over and all was told. When a
 * build is begun again on another host its progress starts anew: then `restart`, and everything from 0.
 */
export async function* followBuildLog(
  api: Api,
  caller: Caller,
  build: { readonly uid: string; readonly namespaceUid: string },
  afterSeq: number,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const reader = api.db.objects(caller.scope);
  const subscription = api.signals.subscribe([
    { channel: "plimsoll_build_log", key: build.uid },
    { channel: "plimsoll_changes", key: build.namespaceUid },
  ]);
  let last = afterSeq;
  try {
    yield "retry: 1000\n: following\n\n";
    while (!signal.aborted) {
      subscription.take();
      // The phase first: what a build that is over has said is all there when we read after.
      const phase = (await reader.find("Build", build.uid))?.status.phase;
      if (last >= 0 && (await api.db.platform.buildLog(build.uid, last - 1, 1))[0]?.seq !== last) {
        last = -1;
        yield sseEvent({ event: "restart", data: {} });
      }
      for (;;) {
        const entries = await api.db.platform.buildLog(build.uid, last, BATCH);
        const newest = entries.at(-1);
        if (newest === undefined) break;
        last = newest.seq;
        yield entries.map(({ seq, event }) => sseEvent({ id: String(seq), data: { seq, event } })).join("");
      }
      if (phase === undefined || isBuildOver(phase)) return yield sseEvent({ event: "end", data: { phase: phase ?? "deleted" } });
      if (!(await subscription.wait(HEARTBEAT_MS, signal))) yield HEARTBEAT;
    }
  } finally {
    subscription.close();
  }
}
