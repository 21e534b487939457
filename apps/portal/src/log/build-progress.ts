import type { BuildAdvice, BuildEvent, BuildFailure, BuildStep, BuildWarning, WrittenRecipe } from "@plimsoll/core";
import { type Waterfall, waterfall } from "@plimsoll/core/waterfall";
import { LineSplitter, type LogLine } from "./lines.ts";

export type StepState = "waiting" | "running" | "cached" | "done" | "failed";

export interface StepProgress {
  readonly step: BuildStep;
  readonly state: StepState;
  /** Milliseconds after the build began. */
  readonly startedMs?: number;
  readonly durationMs?: number;
  /** Of a cached step: what it took when it ran. */
  readonly savedMs?: number;
  readonly lines: readonly LogLine[];
  /** Lines before `lines` that were too many to keep. */
  readonly dropped: number;
}

export interface StageProgress {
  readonly name: string;
  readonly state: StepState;
  readonly steps: readonly StepProgress[];
}

/** What the events of a build say so far. Immutable. */
export interface BuildProgressState {
  readonly planned: boolean;
  readonly dockerfile?: string;
  readonly target?: string;
  /** Of a commit without a Dockerfile. */
  readonly written?: WrittenRecipe;
  readonly stages: readonly StageProgress[];
  /** Everything in order, with a heading line per step. */
  readonly all: readonly LogLine[];
  readonly failure?: BuildFailure;
  readonly warnings: readonly BuildWarning[];
  readonly advice: readonly BuildAdvice[];
  /** What ran when, so far. */
  readonly waterfall: Waterfall;
  readonly image?: { readonly digest: string; readonly sizeBytes: number; readonly newBytes: number; readonly atMs: number };
}

/** Lines kept of one step, the last ones: a browser is no archive; what was dropped is counted. */
const STEP_LINES = 20_000;

const COURSE: ReadonlySet<BuildEvent["type"]> = new Set(["plan", "step-started", "step-done", "done", "failed"]);

interface Step {
  readonly step: BuildStep;
  state: StepState;
  startedMs?: number;
  durationMs?: number;
  savedMs?: number;
  lines: LogLine[];
  dropped: number;
  readonly out: Record<"stdout" | "stderr", LineSplitter>;
}

/** Collects a build's events. One with a `seq` that was seen is ignored, but for a plan: with it all begins anew. `state` is a snapshot. */
export class BuildProgressLog {
  #steps = new Map<number, Step>();
  #all: LogLine[] = [];
  #plan: Extract<BuildEvent, { type: "plan" }> | undefined;
  #failure: BuildFailure | undefined;
  #image: BuildProgressState["image"];
  #warnings: BuildWarning[] = [];
  #advice: readonly BuildAdvice[] = [];
  /** All but output and words: what the waterfall is made of. */
  #course: BuildEvent[] = [];
  #seen = -1;

  push(seq: number, event: BuildEvent): void {
    if (seq <= this.#seen) {
      if (event.type !== "plan") return;
      this.#all = []; // a stream that did not resume but began anew
    }
    this.#seen = seq;
    if (COURSE.has(event.type)) this.#course.push(event);
    switch (event.type) {
      case "plan":
        // A build that lost its host begins again: what the first try said is history.
        this.#plan = event;
        this.#steps = new Map(event.steps.map((step) => [step.index, newStep(step)]));
        this.#failure = undefined;
        this.#warnings = [];
        this.#advice = [];
        this.#course = [event];
        break;
      case "warning":
        this.#warnings = [...this.#warnings, event.warning];
        break;
      case "advice":
        this.#advice = event.advice;
        break;
      case "notice":
        this.#all.push({ text: event.text, tone: "notice" });
        break;
      case "step-started": {
        const step = this.#step(event.step);
        step.state = "running";
        step.startedMs = event.atMs;
        this.#all.push({ text: step.step.label, tone: "notice" });
        break;
      }
      case "step-log": {
        const step = this.#step(event.step);
        const tone = event.stream === "stderr" ? "stderr" : "plain";
        this.#add(step, step.out[event.stream].push(event.text), tone);
        break;
      }
      case "step-done": {
        const step = this.#step(event.step);
        if (event.outcome === "cached") this.#all.push({ text: step.step.label, tone: "notice" });
        this.#add(step, step.out.stdout.flush(), "plain");
        this.#add(step, step.out.stderr.flush(), "stderr");
        step.state = event.outcome;
        step.durationMs = event.durationMs;
        if (event.savedMs !== undefined) step.savedMs = event.savedMs;
        break;
      }
      case "done":
        this.#image = { digest: event.image.digest, sizeBytes: event.sizeBytes, newBytes: event.newBytes, atMs: event.atMs };
        break;
      case "failed":
        this.#failure = event.failure;
        this.#all.push({ text: event.failure.message, tone: "failure" });
        this.end();
        break;
    }
  }

  /** The build is over, whether it could say so or, cancelled, not: whatever still ran was stopped with it. */
  end(): void {
    for (const step of this.#steps.values()) if (step.state === "running") step.state = "failed";
  }

  /** The build begins anew on another host: what its first try said is void. */
  restart(): void {
    this.#steps = new Map();
    this.#all = [];
    this.#plan = undefined;
    this.#failure = undefined;
    this.#image = undefined;
    this.#warnings = [];
    this.#advice = [];
    this.#course = [];
    this.#seen = -1;
  }

  get state(): BuildProgressState {
    const stages = new Map<string, StepProgress[]>();
    for (const { step, state, startedMs, durationMs, savedMs, lines, dropped } of this.#steps.values()) {
      const progress: StepProgress = {
        step,
        state,
        lines: [...lines],
        dropped,
        ...(startedMs === undefined ? {} : { startedMs }),
        ...(durationMs === undefined ? {} : { durationMs }),
        ...(savedMs === undefined ? {} : { savedMs }),
      };
      stages.set(step.stage, [...(stages.get(step.stage) ?? []), progress]);
    }
    return {
      planned: this.#plan !== undefined,
      ...(this.#plan ? { dockerfile: this.#plan.dockerfile, target: this.#plan.target } : {}),
      ...(this.#plan?.written ? { written: this.#plan.written } : {}),
      stages: [...stages].map(([name, steps]) => ({ name, steps, state: stateOfStage(steps) })),
      all: [...this.#all],
      warnings: this.#warnings,
      advice: this.#advice,
      waterfall: waterfall(this.#course),
      ...(this.#failure ? { failure: this.#failure } : {}),
      ...(this.#image ? { image: this.#image } : {}),
    };
  }

  /** A step that the plan did not name (an event was lost) is shown by its number rather than dropped. */
  #step(index: number): Step {
    const known = this.#steps.get(index);
    if (known) return known;
    const step = newStep({ index, stage: "", label: `#${index}`, line: 0 });
    this.#steps.set(index, step);
    return step;
  }

  #add(step: Step, texts: readonly string[], tone: LogLine["tone"]): void {
    for (const text of texts) {
      const line: LogLine = { text, tone };
      step.lines.push(line);
      this.#all.push(line);
    }
    if (step.lines.length > 2 * STEP_LINES) {
      step.dropped += step.lines.length - STEP_LINES;
      step.lines = step.lines.slice(-STEP_LINES);
    }
    if (this.#all.length > 2 * STEP_LINES) this.#all = this.#all.slice(-STEP_LINES);
  }
}

function newStep(step: BuildStep): Step {
  return { step, state: "waiting", lines: [], dropped: 0, out: { stdout: new LineSplitter(), stderr: new LineSplitter() } };
}

function stateOfStage(steps: readonly StepProgress[]): StepState {
  const states = new Set(steps.map((step) => step.state));
  if (states.has("failed")) return "failed";
  if (states.has("running")) return "running";
  if (states.size === 1 && states.has("cached")) return "cached";
  if (!states.has("waiting")) return "done";
  return states.size > 1 ? "running" : "waiting";
}
