import type { BuildEvent, BuildStep } from "@plimsoll/core";
import { adviceLines, failureLines, outputLine, warningLine } from "./build-remarks.ts";
import { columnsOf, cut, duration, plain, size, styled } from "./render.ts";

interface StepState {
  readonly step: BuildStep;
  startedMs?: number;
  ended?: Extract<BuildEvent, { type: "step-done" }>;
  /** The last lines of its output; the last one may not be whole yet. */
  output: string[];
}

/** What a terminal has room for. */
export interface Room {
  readonly columns: number;
  readonly rows: number;
}

const OUTPUT_SHOWN = 4;
const OUTPUT_OF_FAILED = 20;
const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const SPIN_MS = 100;

/**
 * A build as a tree that is drawn again and again: stages and steps, what runs with its last lines, what was cached, what took how long.
 * State without I/O and clock: same events and times, same frames. Tenants' text is cleaned.
 */
export class BuildTree {
  readonly #advises: boolean;
  #dockerfile = "";
  #target = "";
  #steps: StepState[] = [];
  #said: string[] = [];
  #after: string[] = [];

  /** `advise`: advice is given whole, not in a line. */
  constructor({ advise = false }: { readonly advise?: boolean } = {}) {
    this.#advises = advise;
  }

  push(event: BuildEvent): void {
    switch (event.type) {
      case "plan":
        this.restart();
        this.#dockerfile = event.dockerfile;
        this.#target = event.target;
        this.#steps = inTree(event.steps).map((step) => ({ step, output: [] }));
        return;
      case "notice":
        this.#said.push(`  ${plain(event.text)}`);
        return;
      case "warning":
        this.#after.push(warningLine(event.warning));
        return;
      case "advice":
        this.#after.push(...adviceLines(event.advice, !this.#advises));
        return;
      case "step-started":
        this.#update(event.step, (state) => {
          state.startedMs = event.atMs;
        });
        return;
      case "step-log":
        this.#update(event.step, (state) => {
          const lines = `${state.output.pop() ?? ""}${event.text}`.split("\n");
          state.output = [...state.output, ...lines].slice(-OUTPUT_OF_FAILED - 1);
        });
        return;
      case "step-done":
        this.#update(event.step, (state) => {
          state.ended = event;
        });
        return;
      case "done": {
        const { image, sizeBytes, newBytes, atMs } = event;
        this.#after.unshift(`image ${image.digest.slice(0, 11)}… · ${size(sizeBytes)}, ${size(newBytes)} new · ${duration(atMs)}`);
        return;
      }
      case "failed": {
        const broken = this.#steps.find(({ ended }) => ended?.outcome === "failed");
        const tail = (event.failure.logTail ?? broken?.output ?? []).map(outputLine).filter((line) => line !== "");
        this.#after.unshift("", ...tail.slice(-OUTPUT_OF_FAILED).map((line) => `    ${line}`), "", ...failureLines(event.failure));
        return;
      }
    }
  }

  /** Something that is no word of the build. */
  say(text: string): void {
    this.#said.push(text);
  }

  /** The build begins anew: what was said before is void. */
  restart(): void {
    this.#steps = [];
    this.#said = [];
    this.#after = [];
  }

  /** The whole of it as it stays on the screen when the build is over. */
  end(): readonly string[] {
    return [...this.#heading(), ...this.#said, ...this.#steps.map((state, at) => this.#line(state, at, 0, false)), ...this.#after];
  }

  /** What is drawn while it runs, no line longer and no more lines than there is room for. */
  frame(atMs: number, { columns, rows }: Room): readonly string[] {
    const blocks = this.#steps.map((state, at) => [this.#line(state, at, atMs, true), ...this.#outputOf(state)]);
    const head = [...this.#heading(), ...this.#said];
    const room = Math.max(1, rows - 1 - head.length);
    // What is over goes first, from above; then what has not begun, from below.
    let from = 0;
    let to = blocks.length;
    const height = () =>
      blocks.slice(from, to).reduce((sum, block) => sum + block.length, 0) + (from > 0 ? 1 : 0) + (to < blocks.length ? 1 : 0);
    while (height() > room && from < to && this.#steps[from]?.ended !== undefined) from++;
    while (height() > room && to - 1 > from && this.#steps[to - 1]?.startedMs === undefined) to--;
    const shown = [
      ...(from > 0 ? [styled("dim", `  … ${from} steps above are over`)] : []),
      ...blocks.slice(from, to).flat(),
      ...(to < blocks.length ? [styled("dim", `  … ${blocks.length - to} more steps`)] : []),
    ];
    return [...head, ...shown.slice(0, room)].slice(0, Math.max(1, rows - 1)).map((line) => cut(line, columns - 1));
  }

  #heading(): readonly string[] {
    return this.#steps.length === 0 ? ["Build"] : [`Build   ${plain(this.#dockerfile)}, target ${plain(this.#target)}`];
  }

  #update(index: number, change: (state: StepState) => void): void {
    const state = this.#steps.find(({ step }) => step.index === index);
    if (state !== undefined) change(state);
  }

  #line(state: StepState, at: number, atMs: number, isLive: boolean): string {
    const { step, ended, startedMs } = state;
    const isFirst = this.#steps[at - 1]?.step.stage !== step.stage;
    const isLast = this.#steps.at(-1)?.step.stage === step.stage;
    const width = Math.max(...this.#steps.map((one) => columnsOf(plain(one.step.stage))), 0);
    const branch = isFirst ? (isLast ? "└─" : "├─") : isLast ? "  " : "│ ";
    const stage = isFirst ? plain(step.stage) : "";
    const runs = isLive && ended === undefined && startedMs !== undefined;
    const mark = runs ? (SPINNER[Math.floor(atMs / SPIN_MS) % SPINNER.length] ?? "") : " ";
    const label = cut(plain(step.label), 64);
    const pad = " ".repeat(Math.max(0, Math.min(64, this.#labelWidth()) - columnsOf(label)));
    const text = `  ${branch} ${stage}${" ".repeat(width - columnsOf(stage))} ${styled("cyan", mark)} ${runs ? styled("bold", label) : label}${pad}`;
    return `${text}  ${resultOf(state, atMs, runs)}`.trimEnd();
  }

  #labelWidth(): number {
    return Math.max(...this.#steps.map(({ step }) => columnsOf(plain(step.label))), 0);
  }

  #outputOf({ ended, startedMs, output }: StepState): readonly string[] {
    if (ended !== undefined || startedMs === undefined) return [];
    const lines = output.map(outputLine).filter((line) => line !== "");
    return lines.slice(-OUTPUT_SHOWN).map((line) => styled("dim", `        ${line}`));
  }
}

/** Steps of a stage stand together, in the order of the file. */
function inTree(steps: readonly BuildStep[]): readonly BuildStep[] {
  const stages = [...new Set(steps.map(({ stage }) => stage))];
  return stages.flatMap((stage) => steps.filter((step) => step.stage === stage).sort((a, b) => a.index - b.index));
}

function resultOf({ ended, startedMs }: StepState, atMs: number, runs: boolean): string {
  if (ended?.outcome === "cached")
    return styled("dim", ended.savedMs === undefined || ended.savedMs < 1_000 ? "cached" : `cached, saved ${duration(ended.savedMs)}`);
  if (ended?.outcome === "failed") return styled("red", `failed, ${duration(ended.durationMs)}`);
  if (ended !== undefined) return duration(ended.durationMs);
  return runs ? duration(atMs - (startedMs ?? 0)) : "";
}
