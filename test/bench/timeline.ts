import { demoScope } from "../support/app.ts";
import { query, versionOf } from "../support/database.ts";
import type { Platform } from "../support/platform.ts";
import { median, rounded } from "./statistics.ts";

/** Milliseconds after a beginning at which things happened first, by what happened: `Build running`. */
export type Timeline = Readonly<Record<string, number>>;

interface Row {
  readonly kind: string;
  readonly phase: string | null;
  readonly desired: string | null;
  readonly type: string;
  readonly atMs: number;
}

/** Where the changes of namespace `demo` are now: what comes later is after it. */
export async function markChanges(platform: Platform): Promise<number> {
  return versionOf(platform, await demoScope(platform));
}

/**
 * What happened in the namespace after the mark, by the platform's own record of changes, in milliseconds after `beginMs` (since 1970).
 * Times are those of the beginning of each transaction.
 */
export async function timelineAfter(platform: Platform, mark: number, beginMs: number): Promise<Timeline> {
  const rows = await query<Row>(
    platform,
    `SELECT kind, type, object -> 'status' ->> 'phase' AS phase, object -> 'spec' ->> 'desired' AS desired,
            (extract(epoch FROM created_at) * 1000)::float8 AS "atMs"
     FROM changes WHERE scope = $1 AND version > $2 AND kind IN ('Build', 'Release', 'Deployment', 'Instance') ORDER BY version`,
    [await demoScope(platform), mark],
  );
  const first: Record<string, number> = {};
  for (const { kind, type, phase, desired, atMs } of rows) {
    const leaving = kind === "Instance" && desired !== "running";
    const what = leaving ? `${kind} ${desired}` : `${kind} ${type === "created" ? "created" : (phase ?? type)}`;
    first[what] ??= Math.round(atMs - beginMs);
  }
  return first;
}

/** The medians of several, as one sentence in order of time; what did not happen every time is left out. Pure. */
export function describeTimelines(timelines: readonly Timeline[]): string {
  const names = Object.keys(timelines[0] ?? {}).filter((name) => timelines.every((one) => one[name] !== undefined));
  return names
    .map((name) => ({ name, atMs: rounded(median(timelines.map((one) => one[name] ?? 0))) }))
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ name, atMs }) => `${name} ${atMs}`)
    .join(", ");
}
