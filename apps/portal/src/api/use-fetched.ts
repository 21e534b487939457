"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import type { ShownProblem } from "./problem.ts";
import { problemFrom, request } from "./request.ts";

export interface Fetched<T> {
  readonly value: T | undefined;
  readonly problem: ShownProblem | undefined;
  /** Reads it again; what is shown stays meanwhile. */
  readonly again: () => Promise<void>;
}

/** Reads one thing that no watch tells about: once, and again when asked. An undefined path reads nothing. */
export function useFetched<T>(path: string | undefined): Fetched<T> {
  const [value, setValue] = useState<T>();
  const [problem, setProblem] = useState<ShownProblem>();
  const shown = useRef(path);
  const again = useCallback(async () => {
    if (path === undefined) return;
    try {
      const answer = await request<T>("GET", path);
      if (shown.current !== path) return; // the page asks for another by now
      setValue(answer);
      setProblem(undefined);
    } catch (error) {
      if (shown.current === path) setProblem(problemFrom(error));
    }
  }, [path]);
  useEffect(() => {
    shown.current = path;
    setValue(undefined);
    setProblem(undefined);
    void again();
  }, [path, again]);
  return { value, problem, again };
}
