import { StringDecoder } from "node:string_decoder";
import { Concealed } from "./concealed.ts";

type Stream = "stdout" | "stderr";

/** Long enough to gather a burst of lines, short enough to look immediate. */
const GATHER_MS = 20;
const GATHER_BYTES = 32 * 1024;
const TAIL_LINES = 20;
const TAIL_LINE_LENGTH = 500;

/** What all commands of a build may still print. */
export interface OutputBudget {
  remainingBytes: number;
  readonly limitBytes: number;
}

/**
 * The output of one command on its way to people: decoded, gathered into few messages, cut at the build's budget (the rest is counted), and
 * its last lines kept for the failure that may come.
 */
export class CommandOutput {
  private readonly budget: OutputBudget;
  private readonly send: (stream: Stream, text: string) => void;
  private readonly decoders = { stdout: new StringDecoder("utf8"), stderr: new StringDecoder("utf8") };
  private pending: { stream: Stream; text: string }[] = [];
  private pendingBytes = 0;
  private timer: NodeJS.Timeout | undefined;
  private droppedBytes = 0;
  private readonly lines: string[] = [];
  private line = "";

  private readonly concealed: Readonly<Record<Stream, Concealed>>;

  /** `secrets` are shown as `***`, whoever prints them. */
  constructor(budget: OutputBudget, send: (stream: Stream, text: string) => void, secrets: readonly Buffer[] = []) {
    this.budget = budget;
    this.send = send;
    this.concealed = { stdout: new Concealed(secrets), stderr: new Concealed(secrets) };
  }

  add(stream: Stream, chunk: Buffer): void {
    this.take(stream, this.concealed[stream].add(chunk));
  }

  private take(stream: Stream, chunk: Buffer): void {
    this.remember(chunk.toString("utf8"));
    const kept = chunk.subarray(0, this.budget.remainingBytes);
    const wasOpen = this.budget.remainingBytes > 0;
    this.budget.remainingBytes -= kept.length;
    this.droppedBytes += chunk.length - kept.length;
    if (kept.length > 0) this.queue(stream, this.decoders[stream].write(kept));
    if (wasOpen && this.budget.remainingBytes === 0) {
      this.queue(
        "stderr",
        `\n[the build's output limit of ${this.budget.limitBytes} bytes is reached; what follows is counted, not kept]\n`,
      );
    }
  }

  /** Sends what is left. Nothing may be added afterwards. */
  end(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      this.take(stream, this.concealed[stream].end());
      this.queue(stream, this.decoders[stream].end());
    }
    if (this.droppedBytes > 0) this.queue("stderr", `[${this.droppedBytes} bytes of output not kept]\n`);
    this.flush();
  }

  /** The last lines, oldest first, also of output that was not kept. */
  tail(): readonly string[] {
    return (this.line === "" ? this.lines : [...this.lines, this.line]).slice(-TAIL_LINES);
  }

  private queue(stream: Stream, text: string): void {
    if (text === "") return;
    const last = this.pending.at(-1);
    if (last?.stream === stream) last.text += text;
    else this.pending.push({ stream, text });
    this.pendingBytes += text.length;
    if (this.pendingBytes >= GATHER_BYTES) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.pendingBytes = 0;
    for (const { stream, text } of this.pending.splice(0)) this.send(stream, text);
  }

  private remember(text: string): void {
    const parts = text.slice(-64 * 1024).split("\n");
    for (const [index, part] of parts.entries()) {
      this.line = (this.line + part).slice(0, TAIL_LINE_LENGTH);
      if (index === parts.length - 1) break;
      this.lines.push(this.line.replace(/\r$/, ""));
      this.line = "";
    }
    if (this.lines.length > TAIL_LINES) this.lines.splice(0, this.lines.length - TAIL_LINES);
  }
}
