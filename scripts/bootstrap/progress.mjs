/**
 * The list of steps that a start shows: one line each, with what was done and how long it took. On a terminal the running step
 * turns a spinner; elsewhere a line appears when its step has ended.
 *
 * @typedef {{ update(text: string): void }} RunningStep
 * @typedef {{
 *   step<T>(name: string, running: string, work: (step: RunningStep) => Promise<{ said: string, value: T }>): Promise<T>,
 *   done(name: string, said: string, seconds?: number): void,
 * }} Progress
 */

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 100;
const NAME_WIDTH = 12;
/** Where a line's duration ends; a longer line has it right behind. */
const LINE_WIDTH = 112;

/**
 * @param {{ isTTY?: boolean, columns?: number, write(text: string): unknown }} out
 * @returns {Progress}
 */
export function createProgress(out) {
  /** @param {string} sign @param {string} name @param {string} said @param {number} [seconds] */
  const line = (sign, name, said, seconds) => {
    const text = `  ${sign} ${name.padEnd(NAME_WIDTH)} ${said}`;
    return seconds === undefined ? text : `${text.padEnd(LINE_WIDTH - 6)}  ${`${seconds} s`.padStart(6)}`;
  };
  return {
    done: (name, said, seconds) => void out.write(`${line("✔", name, said, seconds)}\n`),
    async step(name, running, work) {
      const startedAt = performance.now();
      const seconds = () => Math.round((performance.now() - startedAt) / 1_000);
      let text = running;
      let frame = 0;
      const draw = () => {
        const whole = line(FRAMES[frame++ % FRAMES.length] ?? "", name, text, seconds());
        out.write(`\r\x1b[K${whole.slice(0, (out.columns ?? 120) - 1)}`);
      };
      const timer = out.isTTY ? setInterval(draw, FRAME_MS) : undefined;
      const clear = () => {
        clearInterval(timer);
        if (out.isTTY) out.write("\r\x1b[K");
      };
      try {
        const update = (/** @type {string} */ newer) => {
          text = newer;
        };
        const { said, value } = await work({ update });
        clear();
        out.write(`${line("✔", name, said, seconds())}\n`);
        return value;
      } catch (error) {
        clear();
        out.write(`${line("✖", name, text, seconds())}\n`);
        throw error;
      }
    },
  };
}
