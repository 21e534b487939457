export type AgeUnit = "now" | "seconds" | "minutes" | "hours" | "days" | "months" | "years";
export interface Age {
  readonly unit: AgeUnit;
  readonly count: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago, in the one unit that people would say: 12 minutes, 2 hours, 1 day. A clock that is ahead gives "now". */
export function ageOf(ms: number): Age {
  if (ms < 2_000) return { unit: "now", count: 0 };
  if (ms < MINUTE) return { unit: "seconds", count: Math.floor(ms / 1_000) };
  if (ms < HOUR) return { unit: "minutes", count: Math.floor(ms / MINUTE) };
  if (ms < DAY) return { unit: "hours", count: Math.floor(ms / HOUR) };
  if (ms < 60 * DAY) return { unit: "days", count: Math.floor(ms / DAY) };
  if (ms < 730 * DAY) return { unit: "months", count: Math.floor(ms / (30.44 * DAY)) };
  return { unit: "years", count: Math.floor(ms / (365.25 * DAY)) };
}

/** A duration cut to what matters: tenths below 10 s (not when `whole`), seconds below an hour, minutes above. */
export type Duration =
  | { readonly form: "tenths"; readonly seconds: number }
  | { readonly form: "seconds"; readonly seconds: number }
  | { readonly form: "minutes"; readonly minutes: number; readonly seconds: number }
  | { readonly form: "hours"; readonly hours: number; readonly minutes: number };

export function durationOf(ms: number, whole = false): Duration {
  const tenths = Math.round(Math.max(0, ms) / 100);
  if (tenths < 100 && !whole) return { form: "tenths", seconds: tenths / 10 };
  const seconds = whole ? Math.floor(Math.max(0, ms) / 1_000) : Math.round(Math.max(0, ms) / 1_000);
  if (seconds < 60) return { form: "seconds", seconds };
  if (seconds < 3_600) return { form: "minutes", minutes: Math.floor(seconds / 60), seconds: seconds % 60 };
  return { form: "hours", hours: Math.floor(seconds / 3_600), minutes: Math.floor((seconds % 3_600) / 60) };
}

/** Milliseconds from one ISO time to another, undefined where one is missing. */
export function between(from: string | undefined, to: string | undefined): number | undefined {
  return from === undefined || to === undefined ? undefined : Date.parse(to) - Date.parse(from);
}
