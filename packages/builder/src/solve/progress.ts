import type { BuildAdvice, BuildEvent, BuildStep, BuildWarning, WrittenRecipe } from "@plimsoll/core";
import type { SourceText } from "../dockerfile/excerpt.ts";

type Unstamped<T = BuildEvent> = T extends BuildEvent ? Omit<T, "atMs"> : never;

const SOON_MS = 100;

/** What a build tells while it runs, in order, until it is over. */
export class Progress {
  private readonly onEvent: (event: BuildEvent) => void;
  private readonly nowMs: () => number;
  private readonly beganMs: number;
  private over = false;
  /** The recipe, once it is read: what failures show lines of. */
  source: SourceText | undefined;

  constructor(onEvent: (event: BuildEvent) => void, nowMs: () => number) {
    this.onEvent = onEvent;
    this.nowMs = nowMs;
    this.beganMs = nowMs();
  }

  plan(dockerfile: string, target: string, steps: readonly BuildStep[], written?: WrittenRecipe): void {
    this.emit({ type: "plan", dockerfile, target, steps, ...(written === undefined ? {} : { written }) });
  }

  notice(text: string): void {
    this.emit({ type: "notice", text });
  }

  warning(warning: BuildWarning): void {
    this.emit({ type: "warning", warning });
  }

  advice(advice: readonly BuildAdvice[]): void {
    this.emit({ type: "advice", advice });
  }

  /** `savedMs`: what it took when it ran. */
  cached(step: number, savedMs?: number): void {
    this.emit({ type: "step-done", step, outcome: "cached", durationMs: 0, ...(savedMs === undefined ? {} : { savedMs }) });
  }

  started(step: number): { done(outcome: "cached" | "done" | "failed", savedMs?: number): void } {
    const startedMs = this.nowMs();
    this.emit({ type: "step-started", step });
    return {
      done: (outcome, savedMs) => {
        if (outcome === "cached") this.cached(step, savedMs);
        else this.emit({ type: "step-done", step, outcome, durationMs: this.nowMs() - startedMs });
      },
    };
  }

  /** Steps that mostly are over at once: their start is told only when they take a while, or turn out to be no cached ones. */
  soon(steps: readonly number[]): { done(outcome: "cached" | "done" | "failed"): void } {
    const startedMs = this.nowMs();
    let started = false;
    const start = () => {
      if (!started) for (const step of steps) this.emit({ type: "step-started", step });
      started = true;
    };
    const timer = setTimeout(start, SOON_MS);
    return {
      done: (outcome) => {
        clearTimeout(timer);
        if (outcome !== "cached") start();
        const durationMs = outcome === "cached" ? 0 : this.nowMs() - startedMs;
        for (const step of steps) this.emit({ type: "step-done", step, outcome, durationMs });
      },
    };
  }

  output(step: number, stream: "stdout" | "stderr", text: string): void {
    this.emit({ type: "step-log", step, stream, text });
  }

  /** The last word; nothing is told afterwards. */
  end(event: Unstamped<Extract<BuildEvent, { type: "done" | "failed" }>>): void {
    this.emit(event);
    this.over = true;
  }

  private emit(event: Unstamped): void {
    if (this.over) return;
    this.onEvent({ ...event, atMs: Math.round(this.nowMs() - this.beganMs) } as BuildEvent);
  }
}
