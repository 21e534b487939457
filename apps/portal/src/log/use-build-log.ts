"use client";

import type { BuildProgress } from "@plimsoll/contracts";
import { useEffect, useState } from "react";
import { API } from "#api/request.ts";
import { type FollowState, followEventStream } from "#stream/event-stream.ts";
import { BuildProgressLog, type BuildProgressState } from "./build-progress.ts";

/** A page draws what came at most this often: a build may print ten thousand lines a second. */
const DRAW_MS = 80;
const NOTHING = new BuildProgressLog().state;

/** Follows a build's log to its end; `path` is the build's below /api/v1, undefined: nothing to follow. */
export function useBuildLog(path: string | undefined): { readonly progress: BuildProgressState; readonly stream: FollowState } {
  const [progress, setProgress] = useState(NOTHING);
  const [stream, setStream] = useState<FollowState>({ kind: "connecting" });
  useEffect(() => {
    setProgress(NOTHING);
    if (path === undefined) return;
    const log = new BuildProgressLog();
    const abort = new AbortController();
    let drawing: ReturnType<typeof setTimeout> | undefined;
    const draw = () => {
      drawing = undefined;
      setProgress(log.state);
    };
    void followEventStream({
      signal: abort.signal,
      url: () => `${API}${path}/log`,
      onState: (state) => !abort.signal.aborted && setStream(state),
      onEvent: ({ event, data }) => {
        if (event === "end") {
          log.end();
          drawing ??= setTimeout(draw, DRAW_MS);
          return "end";
        }
        if (event === "restart") {
          // What the page shows of the first try is void, also while the second one says nothing yet.
          log.restart();
        } else if (event === "message" && data !== "") {
          const { seq, event: happened } = JSON.parse(data) as BuildProgress;
          log.push(seq, happened);
        } else return "more";
        drawing ??= setTimeout(draw, DRAW_MS);
        return "more";
      },
    });
    return () => {
      abort.abort();
      clearTimeout(drawing);
    };
  }, [path]);
  return { progress, stream };
}
