import { constants } from "node:os";

/** The C library keeps 32 and 33 to itself. */
const RTMIN = 34;
const RTMAX = 64;

/** The number of `SIGTERM`, `TERM`, `15`, `RTMIN+3` or `RTMAX-2`: as in an image's STOPSIGNAL. Anything else is SIGTERM. Pure. */
export function signalNumber(text: string | undefined): number {
  const name = (text ?? "SIGTERM").toUpperCase().replace(/^SIG/, "");
  const realTime = /^RT(?:MIN(?:\+(\d{1,2}))?|MAX(?:-(\d{1,2}))?)$/.exec(name);
  if (realTime !== null && name.startsWith("RTMIN")) return Math.min(RTMAX, RTMIN + Number(realTime[1] ?? 0));
  if (realTime !== null) return Math.max(RTMIN, RTMAX - Number(realTime[2] ?? 0));
  const signals: Readonly<Record<string, number>> = { ...constants.signals, SIGCLD: constants.signals.SIGCHLD };
  const number = /^\d+$/.test(name) ? Number(name) : signals[`SIG${name}`];
  return number !== undefined && number >= 1 && number <= RTMAX ? number : constants.signals.SIGTERM;
}
