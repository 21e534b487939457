import type { BuildProgress } from "@plimsoll/contracts";
import type { BuildEvent, BuildStep } from "@plimsoll/core";
import { AppError } from "@plimsoll/core/errors";
import { adviceLines, failureLines, outputLine, warningLine } from "./build-remarks.ts";
import type { Call } from "./command.ts";
import { type FollowOptions, followEvents } from "./event-stream.ts";
import type { AppPlace } from "./place.ts";
import { duration, plain, size, styled } from "./render.ts";

/**
 * A build's events as lines, whole: every step with its output, as it comes. Steps of several stages run side by side; whose output
 * it is is said again whenever it changes. Same events, same lines.
 */
export class BuildOutput {
  readonly #advises: boolean;
  #steps = new Map<number, BuildStep>();
  /** The step whose name was printed last. */
  #shown: number | undefined;
  /** Ends of output without a line break yet, by step and stream. */
  #rest = new Map<string, string>();

  /** `advise`: advice is given whole, not in a line. */
  constructor({ advise = false }: { readonly advise?: boolean } = {}) {
    this.#advises = advise;
  }

  lines(event: BuildEvent): readonly string[] {
    switch (event.type) {
      case "plan":
        this.restart();
        this.#steps = new Map(event.steps.map((step) => [step.index, step]));
        return [`Build   ${plain(event.dockerfile)}, target ${plain(event.target)}`];
      case "notice":
        return [`  ${plain(event.text)}`];
      case "warning":
        return [warningLine(event.warning)];
      case "advice":
        return adviceLines(event.advice, !this.#advises);
      case "step-started":
        return this.#heading(event.step);
      case "step-log":
        return this.#output(event.step, event.stream, event.text);
      case "step-done":
        return this.#done(event);
      case "done":
        return [`image ${event.image.digest} · ${size(event.sizeBytes)}, ${size(event.newBytes)} new · ${duration(event.atMs)}`];
      case "failed":
        return [...[...this.#rest.keys()].flatMap((key) => this.#flush(key)), ...failureLines(event.failure)];
    }
  }

  /** The build begins anew: what was said before is void. */
  restart(): void {
    this.#steps = new Map();
    this.#shown = undefined;
    this.#rest = new Map();
  }

  #heading(index: number): readonly string[] {
    if (this.#shown === index) return [];
    this.#shown = index;
    return [styled("bold", this.#name(index))];
  }

  #name(index: number): string {
    const step = this.#steps.get(index);
    return step === undefined ? `step ${index}` : `${plain(step.stage)}  ${plain(step.label)}`;
  }

  #output(index: number, stream: string, text: string): readonly string[] {
    const key = `${index} ${stream}`;
    const lines = `${this.#rest.get(key) ?? ""}${text}`.split("\n");
    this.#rest.set(key, lines.pop() ?? "");
    if (lines.length === 0) return [];
    return [...this.#heading(index), ...lines.map((line) => `    ${outputLine(line)}`.trimEnd())];
  }

  #flush(key: string): readonly string[] {
    const rest = this.#rest.get(key) ?? "";
    this.#rest.delete(key);
    return rest === "" ? [] : [...this.#heading(Number(key.split(" ")[0])), `    ${outputLine(rest)}`.trimEnd()];
  }

  #done({ step, outcome, durationMs }: Extract<BuildEvent, { type: "step-done" }>): readonly string[] {
    const left = ["stdout", "stderr"].flatMap((stream) => this.#flush(`${step} ${stream}`));
    if (outcome === "cached") {
      this.#shown = undefined;
      return [...left, `${this.#name(step)}  ${styled("dim", "cached")}`];
    }
    const took = duration(durationMs);
    const said = outcome === "failed" ? styled("red", `failed, ${took}`) : styled("dim", `done, ${took}`);
    if (this.#shown === step) return [...left, `  ${said}`];
    this.#shown = undefined;
    return [...left, `${this.#name(step)}  ${said}`];
  }
}

/** How a build ended; undefined when its log was left before. */
export interface BuildEnd {
  readonly phase: string;
}

/** The log of a build to its end, as events; `restart` when it begins anew. Survives restarts of the platform. */
async function* buildLog(
  call: Call,
  { team, namespace }: AppPlace,
  name: string,
  onLink: FollowOptions["onLink"] = linkNotes(call),
): AsyncGenerator<BuildProgress | "restart", BuildEnd | undefined> {
  const client = await call.client();
  const params = { team, namespace, name };
  const open = (lastEventId: string | undefined) =>
    client.events("GET /api/v1/namespaces/:team/:namespace/builds/:name/log", { params }, { lastEventId });
  for await (const { event, data } of followEvents(open, { signal: call.signal, ...(onLink === undefined ? {} : { onLink }) })) {
    if (event === "end") return JSON.parse(data) as BuildEnd;
    if (event === "restart") yield "restart";
    if (event === "message" && data !== "") yield JSON.parse(data) as BuildProgress;
  }
  return undefined;
}

/** Writes the whole log of a build as it comes; with -o json an event a line. */
export async function printBuildLog(
  call: Call,
  place: AppPlace,
  name: string,
  options: { readonly advise?: boolean } = {},
): Promise<BuildEnd | undefined> {
  const output = new BuildOutput(options);
  const log = buildLog(call, place, name);
  for (;;) {
    const { done, value } = await log.next();
    if (done === true) return value;
    if (call.json) call.print(JSON.stringify(value === "restart" ? { restart: true } : value));
    else if (value === "restart") {
      output.restart();
      call.print(styled("yellow", "The build begins anew: what it said so far is void."));
    } else for (const line of output.lines(value.event)) call.print(line);
  }
}

/** Says on standard error when a stream broke for a while, and when it is back. */
export function linkNotes(call: Call): NonNullable<FollowOptions["onLink"]> {
  return (link) => call.note(linkWords(link));
}

function linkWords(link: "broken" | "back"): string {
  return link === "broken" ? "The connection broke; it is tried again …" : "… it is back; nothing was missed.";
}

/** Everything that a build has said so far, of its last try. */
export async function eventsOfBuild(call: Call, place: AppPlace, name: string): Promise<readonly BuildEvent[]> {
  let events: BuildEvent[] = [];
  for await (const entry of buildLog(call, place, name)) {
    if (entry === "restart") events = [];
    else events.push(entry.event);
  }
  return events;
}

/** Whether a person looks at it, and wants it drawn: not with --plain, and not where a program keeps what is written. */
function isDrawn(call: Call): boolean {
  const { TERM, CI } = process.env;
  return process.stdout.isTTY === true && !call.has("plain") && TERM !== "dumb" && !CI;
}

/** A build as a tree on the terminal, drawn anew as it goes on; what it came to stays. */
async function drawBuild(call: Call, place: AppPlace, name: string, advise: boolean): Promise<BuildEnd | undefined> {
  const [{ BuildTree }, { LiveTerminal }] = await Promise.all([import("./build-tree.ts"), import("./live-terminal.ts")]);
  const tree = new BuildTree({ advise });
  // The build's own time: its events tell how far it is, the clock goes on between them.
  let [atMs, seenAt] = [0, performance.now()];
  const terminal = new LiveTerminal(process.stdout, (room) => tree.frame(atMs + performance.now() - seenAt, room));
  const log = buildLog(call, place, name, (link) => tree.say(linkWords(link)));
  try {
    for (;;) {
      const { done, value } = await log.next();
      if (done === true) return value;
      if (value === "restart") tree.restart();
      else {
        tree.push(value.event);
        [atMs, seenAt] = [value.event.atMs, performance.now()];
      }
    }
  } finally {
    terminal.end(tree.end());
  }
}

/** Follows a build that was asked for to its end; plim ends with 1 when there is no image. With -o json its record is all that is shown. */
export async function followBuild(call: Call, place: AppPlace, name: string): Promise<BuildEnd | undefined> {
  const advise = call.has("advise");
  const follow = async () => {
    if (call.json) return lastOf(buildLog(call, place, name));
    return isDrawn(call) ? drawBuild(call, place, name, advise) : printBuildLog(call, place, name, { advise });
  };
  const end = await follow();
  if (end === undefined || (end.phase === "succeeded" && !call.json)) return end;
  const { app, team, namespace } = place;
  const client = await call.client();
  const ended = await client.call("GET /api/v1/namespaces/:team/:namespace/builds/:name", { params: { team, namespace, name } });
  const { phase, message } = ended.status;
  if (call.json) call.show(ended, () => "");
  if (phase === "succeeded") return end;
  const why = message === undefined ? "" : `: ${plain(message.split("\n")[0] ?? "").replace(/[.]$/, "")}`;
  call.fail(
    new AppError("build_failed", `Build ${ended.spec.number} ${phase}${why}. More: plim describe build ${ended.spec.number} -a ${app}`),
  );
  return end;
}

async function lastOf<T>(log: AsyncGenerator<unknown, T>): Promise<T> {
  for (;;) {
    const { done, value } = await log.next();
    if (done === true) return value;
  }
}
