import { isLess } from "./place.ts";
import { holdsBack } from "./pressure.ts";
import { type Filter, type HostView, type Pressed, type Refusals, tieBreak } from "./snapshot.ts";

export interface BuildRequest {
  /** Where the app was built last: most of its layers and cache are there. */
  readonly cacheHint?: string;
  /** For how long it has been held back by pressure. */
  readonly heldMs?: number;
}

export type BuildPlacement = { readonly hostUid: string } | { readonly hostUid?: undefined; readonly refusals: Refusals };

/** Builds at the same time on a host: one a core, at least two, so that one long build never closes a host. */
export function buildSlots(host: HostView): number {
  return Math.max(2, Math.floor(host.capacity.cpuMillis / 1000));
}

/**
 * The host for a build, pure and deterministic as `place`. Score: the one with its cache; fewest builds; chance
 * by seed. A full host is not waited for: a cold build that begins beats a warm one that does not. Nor is one under pressure, while there is
 * another; where there is none, the build is held back, and not for ever.
 */
export function placeBuild(hosts: readonly HostView[], request: BuildRequest, seed: string): BuildPlacement {
  const pressed: Pressed[] = [];
  const refused: Partial<Record<Filter, number>> = {};
  let best: HostView | undefined;
  let bestScore: readonly number[] = [];
  for (const host of hosts) {
    const filter = refuses(host);
    if (filter !== undefined) {
      refused[filter] = (refused[filter] ?? 0) + 1;
      continue;
    }
    const press = holdsBack(host, request.heldMs ?? 0);
    if (press !== undefined) {
      pressed.push(press);
      refused.pressure = pressed.length;
      continue;
    }
    const score = [host.uid === request.cacheHint ? 0 : 1, host.builds, tieBreak(seed, host.uid)];
    if (best === undefined || isLess(score, bestScore)) {
      best = host;
      bestScore = score;
    }
  }
  if (best !== undefined) return { hostUid: best.uid };
  return { refusals: { hosts: hosts.length, byFilter: refused, ...(pressed.length === 0 ? {} : { pressed }) } };
}

function refuses(host: HostView): Filter | undefined {
  if (!host.roles.includes("build")) return "role";
  if (!host.live) return "live";
  if (!host.schedulable) return "schedulable";
  if (host.builds >= buildSlots(host)) return "builds";
  return undefined;
}
