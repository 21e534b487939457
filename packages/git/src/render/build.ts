import type { BuildEvent, BuildFailure, BuildStep, BuildWarning, ExcerptLine } from "@plimsoll/core";
import { formatSize } from "@plimsoll/core/size";
import { cleanLine, cleanLines, cleanText, formatDuration, shorten } from "./text.ts";

const LABEL_WIDTH = { min: 43, max: 64 };
const STAGE_WIDTH_MAX = 20;
const GAP = 3;
const LOG_TAIL_LINES = 20;
const SAID_WIDTH = 60;
/** What the builder says of a command when it knows more than how it ended. */
const MORE_THAN_THE_CODE = /failed with exit code \d+[:.] \S/;
/** The rest is in the portal and in `plim describe build`. */
const WARNINGS_SHOWN = 3;

type Outcome = { readonly outcome: "cached" | "done" | "failed"; readonly durationMs: number };

interface StepState {
  readonly step: BuildStep;
  readonly firstOfStage: boolean;
  readonly inLastStage: boolean;
  startedAtMs?: number;
  ended?: Outcome;
  log: string[];
}

/**
 * The tree of a build, line by line: a step's line appears as soon as it and all steps above it have ended. State machine without
 * I/O and clock: same events, same lines.
 */
export class BuildRenderer {
  #steps: StepState[] = [];
  #byIndex = new Map<number, StepState>();
  #printed = 0;
  #begun = false;
  #stageWidth = 0;
  #labelWidth = LABEL_WIDTH.min;
  #lastAtMs = 0;
  #warnings: BuildWarning[] = [];

  next(event: BuildEvent): readonly string[] {
    this.#lastAtMs = event.atMs;
    switch (event.type) {
      case "plan":
        return this.#plan(event);
      case "notice":
        return [...this.#heading(), `  ${cleanLine(event.text)}`];
      case "warning":
        this.#warnings.push(event.warning);
        return [];
      case "advice":
        // Good advice at every push is noise: the portal and plim give it to those who ask.
        return [];
      case "step-started": {
        const state = this.#byIndex.get(event.step);
        if (state !== undefined) state.startedAtMs = event.atMs;
        return [];
      }
      case "step-log": {
        this.#byIndex.get(event.step)?.log.push(...cleanLines(event.text));
        const log = this.#byIndex.get(event.step)?.log;
        if (log !== undefined && log.length > LOG_TAIL_LINES) log.splice(0, log.length - LOG_TAIL_LINES);
        return [];
      }
      case "step-done": {
        const state = this.#byIndex.get(event.step);
        if (state !== undefined) state.ended = event;
        return this.#printEnded();
      }
      case "done": {
        const digest = `${event.image.digest.slice(0, "sha256:".length + 4)}…`;
        const size = `${formatSize(event.sizeBytes)}, ${formatSize(event.newBytes)} new`;
        return [
          ...this.#heading(),
          ...this.#printEnded(),
          `  image ${digest} · ${size} · ${formatDuration(event.atMs)}`,
          ...this.#warned(),
        ];
      }
      case "failed":
        return this.#failed(event.failure);
    }
  }

  /** What runs now, since when, and what it wrote last, for a person who has seen nothing for a while; empty when nothing does. */
  running(sinceToldMs: number): readonly string[] {
    const nowMs = this.#lastAtMs + sinceToldMs;
    return this.#steps.flatMap(({ step, startedAtMs, ended, log }) => {
      if (startedAtMs === undefined || ended !== undefined) return [];
      const wrote = log.findLast((line) => line !== "");
      const said = wrote === undefined ? "" : `: ${shorten(wrote.trim(), SAID_WIDTH)}`;
      return [`${shorten(label(step), LABEL_WIDTH.max - GAP)}, ${formatDuration(nowMs - startedAtMs)} so far${said}`];
    });
  }

  #plan(event: Extract<BuildEvent, { type: "plan" }>): readonly string[] {
    // A build whose host or agent was lost is planned again: its tree begins anew.
    const again = this.#steps.length > 0 ? ["  interrupted; it begins again", ""] : [];
    const stages = [...new Set(event.steps.map((step) => step.stage))];
    const ordered = stages.flatMap((stage) => event.steps.filter((step) => step.stage === stage).sort((a, b) => a.index - b.index));
    this.#steps = ordered.map((step, at) => ({
      step,
      firstOfStage: ordered[at - 1]?.stage !== step.stage,
      inLastStage: step.stage === stages.at(-1),
      log: [],
    }));
    this.#byIndex = new Map(this.#steps.map((state) => [state.step.index, state]));
    this.#printed = 0;
    this.#warnings = [];
    this.#begun = true;
    this.#stageWidth = Math.min(STAGE_WIDTH_MAX, Math.max(0, ...stages.map((stage) => cleanLine(stage).length))) + GAP;
    const longest = Math.max(0, ...ordered.map((step) => cleanLine(step.label).length));
    this.#labelWidth = Math.min(LABEL_WIDTH.max, Math.max(LABEL_WIDTH.min, longest + GAP));
    return [...again, `Build   ${cleanLine(event.dockerfile)}, target ${cleanLine(event.target)}`];
  }

  #warned(): readonly string[] {
    const left = this.#warnings.length - WARNINGS_SHOWN;
    const shown = this.#warnings
      .slice(0, WARNINGS_SHOWN)
      .map(({ file, line, message, check }) => `  warning ${cleanLine(file)}:${line}  ${cleanLine(message)} (${cleanLine(check)})`);
    return left > 0 ? [...shown, `          and ${left} more: plim describe build`] : shown;
  }

  #heading(): readonly string[] {
    if (this.#begun) return [];
    this.#begun = true;
    return ["Build"];
  }

  #printEnded(): readonly string[] {
    const lines: string[] = [];
    for (;;) {
      const state = this.#steps[this.#printed];
      // A failed step waits for the `failed` event, which knows why.
      if (state?.ended === undefined || state.ended.outcome === "failed") return lines;
      lines.push(this.#line(state, state.ended.outcome === "cached" ? "cached" : formatDuration(state.ended.durationMs)));
      this.#printed++;
    }
  }

  #line(state: StepState, result: string): string {
    const stage = state.firstOfStage ? shorten(cleanLine(state.step.stage), STAGE_WIDTH_MAX) : "";
    const branch = state.inLastStage ? ["└─", "  "] : ["├─", "│ "];
    return this.#columns(state.firstOfStage ? branch[0] : branch[1], stage, state.step, result);
  }

  #columns(branch: string | undefined, stage: string, step: BuildStep, result: string): string {
    const name = shorten(label(step), this.#labelWidth - GAP);
    return `  ${branch} ${stage.padEnd(this.#stageWidth)}${name.padEnd(this.#labelWidth)}${result}`;
  }

  /** The steps that ended, the failed one under its stage's name, the end of its log, the Dockerfile's line, and what to do. */
  #failed(failure: BuildFailure): readonly string[] {
    const lines = [...this.#heading()];
    const broken = this.#steps.find((state) => state.ended?.outcome === "failed");
    for (const state of this.#steps.slice(this.#printed)) {
      if (state.ended === undefined || state === broken) continue;
      lines.push(this.#line(state, state.ended.outcome === "cached" ? "cached" : formatDuration(state.ended.durationMs)));
    }
    this.#printed = this.#steps.length;
    if (broken !== undefined) {
      const stage = shorten(cleanLine(broken.step.stage), STAGE_WIDTH_MAX);
      const result = ["failed", ...how(failure), formatDuration(broken.ended?.durationMs ?? this.#lastAtMs)].join(", ");
      lines.push(this.#columns("└─", stage, broken.step, result));
    }
    const tail = (failure.logTail ?? broken?.log ?? []).slice(-LOG_TAIL_LINES).flatMap((line) => cleanLines(line));
    if (tail.length > 0) lines.push("", ...tail.map((line) => (line === "" ? "" : `      ${line}`)));
    const line = failure.line ?? broken?.step.line;
    if (line !== undefined) {
      const place = `${cleanLine(failure.file ?? "Dockerfile")}:${line}`;
      lines.push("", `  ${place}    ${cleanLine(failure.instruction ?? (broken === undefined ? "" : broken.step.label))}`.trimEnd());
      if (failure.excerpt !== undefined) lines.push("", ...excerptLines(failure.excerpt));
    }
    // Of a command that failed its own words are above; what they do not say needs ours, and so does every other reason.
    if (failure.reason !== "command" || broken === undefined || MORE_THAN_THE_CODE.test(failure.message))
      lines.push("", ...cleanText(failure.message).map((text) => `  ${text}`));
    return lines;
  }
}

/** Lines with their numbers, a mark before those that it is about. */
function excerptLines(excerpt: readonly ExcerptLine[]): readonly string[] {
  const width = String(excerpt.at(-1)?.line ?? 0).length;
  return excerpt.map(({ line, text, marked }) =>
    `    ${marked === true ? ">" : " "} ${String(line).padStart(width)}  ${cleanLine(text)}`.trimEnd(),
  );
}

function label(step: BuildStep): string {
  return cleanLine(step.label);
}

function how(failure: BuildFailure): readonly string[] {
  switch (failure.reason) {
    case "command":
      return failure.exitCode === undefined ? [] : [`exit ${failure.exitCode}`];
    case "out_of_memory":
      return ["out of memory"];
    case "out_of_disk":
      return ["out of disk"];
    case "timeout":
      return ["out of time"];
    case "cancelled":
      return ["cancelled"];
    case "interrupted":
      return ["interrupted"];
    default:
      return [];
  }
}
