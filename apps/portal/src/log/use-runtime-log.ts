"use client";

import type { LogLine as RuntimeLine } from "@plimsoll/contracts";
import { useEffect, useRef, useState } from "react";
import { API } from "#api/request.ts";
import { type FollowState, followEventStream } from "#stream/event-stream.ts";
import type { LogLine } from "./lines.ts";
import { RuntimeLog } from "./runtime-log.ts";

const TAIL = 500;
const DRAW_MS = 80;

/**
 * Follows an instance's log; `path` is the instance's below /api/v1, undefined: nothing to follow. While the instance is there (not
 * `gone`) the end of a stream is only its host's: it is asked for again.
 */
export function useRuntimeLog(
  path: string | undefined,
  gone: boolean,
): {
  readonly lines: readonly LogLine[];
  readonly dropped: number;
  readonly stream: FollowState;
} {
  const [state, setState] = useState<{ readonly lines: readonly LogLine[]; readonly dropped: number }>({ lines: [], dropped: 0 });
  const [stream, setStream] = useState<FollowState>({ kind: "connecting" });
  const isGone = useRef(gone);
  isGone.current = gone;
  useEffect(() => {
    setState({ lines: [], dropped: 0 });
    if (path === undefined) return;
    const log = new RuntimeLog();
    const abort = new AbortController();
    let drawing: ReturnType<typeof setTimeout> | undefined;
    const draw = () => {
      drawing = undefined;
      setState(log.state);
    };
    void followEventStream({
      signal: abort.signal,
      url: () => {
        log.reconnected();
        return `${API}${path}/log?tail=${TAIL}&follow=true`;
      },
      onState: (next) => !abort.signal.aborted && setStream(next),
      onEvent: ({ event, data }) => {
        if (event === "end") return isGone.current ? "end" : "more";
        if (event === "message" && data !== "") {
          log.push(JSON.parse(data) as RuntimeLine);
          drawing ??= setTimeout(draw, DRAW_MS);
        }
        return "more";
      },
    });
    return () => {
      abort.abort();
      clearTimeout(drawing);
    };
  }, [path]);
  return { ...state, stream };
}
