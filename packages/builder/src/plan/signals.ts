import { constants } from "node:os";
import { problemAt, type SourceLocation } from "../problem.ts";

/** A signal as an image keeps it: as written, once it is known to be one. Names and numbers as Docker takes them (moby/sys/signal). */
export function checkSignal(text: string, at: SourceLocation): string {
  if (/^\d+$/.test(text)) {
    if (Number(text) >= 1 && Number(text) <= 64) return text;
  } else {
    const name = text.toUpperCase().replace(/^SIG/, "");
    if (Object.hasOwn(constants.signals, `SIG${name}`) || name === "CLD") return text;
    const realTime = /^RT(?:MIN(?:\+(\d{1,2}))?|MAX(?:-(\d{1,2}))?)$/.exec(name);
    if (realTime !== null && Number(realTime[1] ?? 0) <= 15 && Number(realTime[2] ?? 0) <= 14) return text;
  }
  throw problemAt(
    at,
    "dockerfile",
    `"${text.slice(0, 40)}" is no signal; write a name or number, as in STOPSIGNAL SIGINT or STOPSIGNAL 2.`,
  );
}
