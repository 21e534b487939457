/** The text of a step's line in what `git push` shows: `├─ build   FROM node:22   cached`, without the stage. */
const STEP = /^[├└│].*?\b(FROM|COPY|RUN|WORKDIR|ADD) (\S+)/;
const MADE_HERE = /^substituted (\S+) with an image made here$/;

/** Reads off a push's output which images the build starts from, and when it has them all. No I/O, no clock. */
export class BaseImagesSeen {
  readonly #names = new Set<string>();
  readonly #madeHere = new Set<string>();
  readonly #settle: () => void;
  /** Resolves with the first step that is no FROM, or with `end`. */
  readonly settled: Promise<void>;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.settled = promise;
    this.#settle = resolve;
  }

  /** Takes one line, without git's `remote:`. */
  see(line: string): void {
    const text = line.trim();
    const made = MADE_HERE.exec(text)?.[1];
    if (made !== undefined) this.#madeHere.add(made);
    const [, instruction, operand] = STEP.exec(text) ?? [];
    if (instruction === "FROM" && operand !== undefined) this.#names.add(operand);
    else if (instruction !== undefined) this.#settle();
  }

  /** No line follows. */
  end(): void {
    this.#settle();
  }

  summary(): string {
    const names = [...this.#names].map((name) => (this.#madeHere.has(name) ? `${name} (made here: its registry is not reachable)` : name));
    return names.length === 0 ? "none needed" : names.join(", ");
  }
}
