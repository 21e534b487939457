"use client";

import { useCallback, useState } from "react";
import type { ShownProblem } from "#api/problem.ts";
import { problemFrom } from "#api/request.ts";

export interface Action<A extends unknown[]> {
  /** Runs it; true when it went through. A second call while the first is under way does nothing. */
  readonly run: (...input: A) => Promise<boolean>;
  readonly busy: boolean;
  readonly problem: ShownProblem | undefined;
  readonly clear: () => void;
}

/** Something a person does: whether it is under way, and how it was refused. */
export function useAction<A extends unknown[]>(act: (...input: A) => Promise<unknown>): Action<A> {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ShownProblem>();
  const run = async (...input: A): Promise<boolean> => {
    if (busy) return false;
    setBusy(true);
    setProblem(undefined);
    try {
      await act(...input);
      return true;
    } catch (error) {
      setProblem(problemFrom(error));
      return false;
    } finally {
      setBusy(false);
    }
  };
  const clear = useCallback(() => setProblem(undefined), []);
  return { run, busy, problem, clear };
}
