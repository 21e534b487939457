import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LINES_KEPT, RuntimeLog } from "./runtime-log.ts";

const line = (second: number, text: string) => ({
  stream: "stdout" as const,
  at: new Date(1_700_000_000_000 + second * 1_000).toISOString(),
  text,
});
const texts = (log: RuntimeLog) => log.state.lines.map((one) => one.text);

describe("runtime log", () => {
  it("shows every line of one connection, equal ones and ones of an earlier time too", () => {
    const log = new RuntimeLog();
    log.reconnected();
    for (const one of [line(2, "a"), line(2, "a"), line(1, "b")]) log.push(one);
    expect(texts(log)).toEqual(["a", "a", "b"]);
  });

  it("leaves out what a new connection repeats, whatever its tail", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ gap: fc.nat(1), text: fc.constantFrom("x", "y") }), { minLength: 1, maxLength: 20 }),
        fc.nat(20),
        fc.nat(20),
        (steps, cut, tail) => {
          let second = 0;
          const lines = steps.map((step) => {
            second += step.gap;
            return line(second, step.text);
          });
          const seen = Math.min(cut, lines.length);
          const log = new RuntimeLog();
          log.reconnected();
          for (const one of lines.slice(0, seen)) log.push(one);
          log.reconnected();
          // The new connection begins somewhere before or at what is new.
          for (const one of lines.slice(Math.max(0, seen - tail))) log.push(one);
          const added = log.state.lines.length;
          // Where the tail begins in the middle of one moment, equal lines of it cannot be told apart: never a loss of later ones.
          const sure = lines.filter((one) => one.at !== lines[seen - 1]?.at);
          expect(texts(log).length).toBeGreaterThanOrEqual(sure.length);
          if (tail >= seen) expect(added).toBe(lines.length);
        },
      ),
    );
  });

  it("lets old lines go and counts them", () => {
    const log = new RuntimeLog();
    for (let index = 0; index <= 2 * LINES_KEPT; index++) log.push(line(index, `${index}`));
    expect(log.state.lines).toHaveLength(LINES_KEPT);
    expect(log.state.dropped).toBe(LINES_KEPT + 1);
  });
});
