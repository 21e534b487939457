import type { Room } from "./build-tree.ts";

/** Where it is drawn: standard output, where that is a terminal. */
export interface Screen {
  write(text: string): void;
  readonly columns: number;
  readonly rows: number;
}

const DRAW_MS = 100;
const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";

/**
 * Draws lines again and again in the same place, ten times a second; `end` leaves the last ones there. The cursor is hidden meanwhile: end it
 * whatever happens.
 */
export class LiveTerminal {
  readonly #screen: Screen;
  readonly #frame: (room: Room) => readonly string[];
  readonly #timer: NodeJS.Timeout;
  #drawn = 0;
  #last = "";

  constructor(screen: Screen, frame: (room: Room) => readonly string[]) {
    this.#screen = screen;
    this.#frame = frame;
    screen.write(HIDE_CURSOR);
    this.#timer = setInterval(() => this.draw(), DRAW_MS);
  }

  draw(): void {
    const { columns, rows } = this.#screen;
    const lines = this.#frame({ columns: columns || 80, rows: rows || 24 });
    const text = lines.join("\n");
    if (text === this.#last) return;
    this.#last = text;
    this.#screen.write(`${this.#back()}${text}\n`);
    this.#drawn = lines.length;
  }

  /** Once. */
  end(lines: readonly string[]): void {
    clearInterval(this.#timer);
    this.#screen.write(`${this.#back()}${lines.map((line) => `${line}\n`).join("")}${SHOW_CURSOR}`);
  }

  /** To the beginning of what was drawn, which goes. */
  #back(): string {
    return this.#drawn === 0 ? "" : `\u001b[${this.#drawn}A\r\u001b[J`;
  }
}
