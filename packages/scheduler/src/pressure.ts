import type { HostPressure, HostView, Pressed } from "./snapshot.ts";

/**
 * From how many percent a host is short of something, and for how long that holds a build back: from then on it turns away from no host.
 * Memory cannot be shared out, so it counts on any host, and longest; processors and disk are, and one build more hurts only beside others.
 */
const RULES: readonly {
  readonly resource: Pressed["resource"];
  readonly of: keyof HostPressure;
  readonly from: number;
  readonly holdMs: number;
  readonly besideBuildsOnly: boolean;
}[] = [
  { resource: "memory", of: "memorySome", from: 20, holdMs: 60_000, besideBuildsOnly: false },
  { resource: "disk", of: "ioFull", from: 50, holdMs: 30_000, besideBuildsOnly: true },
  { resource: "cpu", of: "cpuSome", from: 95, holdMs: 15_000, besideBuildsOnly: true },
];

/** Why a build that has been held back for `heldMs` should not begin on the host now; undefined when it may. Pure. */
export function holdsBack({ name, pressure, builds }: HostView, heldMs: number): Pressed | undefined {
  if (pressure === undefined) return undefined;
  const holds = (rule: (typeof RULES)[number]) =>
    heldMs < rule.holdMs && pressure[rule.of] >= rule.from && (builds > 0 || !rule.besideBuildsOnly);
  const rule = RULES.find(holds);
  return rule && { host: name, resource: rule.resource, percent: Math.round(pressure[rule.of]), holdMs: rule.holdMs };
}

/** `host alpha is short of memory (PSI some avg10 62 %)`. */
export function explainPressure(pressed: readonly Pressed[]): string {
  return pressed
    .map(
      ({ host, resource, percent }) =>
        `host ${host} is short of ${resource} (PSI ${resource === "disk" ? "full" : "some"} avg10 ${percent} %)`,
    )
    .join("; ");
}

/** When the first of them lets a build through, at the latest: milliseconds from when it was first held back. */
export function longestHoldMs(pressed: readonly Pressed[]): number {
  return Math.min(...pressed.map(({ holdMs }) => holdMs));
}
