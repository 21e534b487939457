import { WordError } from "./word-error.ts";

/** Less than a second of work; recipes of people need thousands. */
const UNITS = 5_000_000;

/**
 * What expansions may cost, in characters made and pattern steps taken. One for a whole build, so that no Dockerfile keeps its reader busy:
 * neither by a slow pattern written many times, nor by values that double from line to line.
 */
export class ExpansionBudget {
  private left: number;

  constructor(units = UNITS) {
    this.left = units;
  }

  /** Throws WordError when it is spent. */
  spend(units: number): void {
    this.left -= units;
    if (this.left < 0) throw new WordError("all values and patterns together take too long; use shorter values and simpler patterns");
  }
}
