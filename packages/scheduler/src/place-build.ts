import { isLess } from "./place.ts";
import { type Filter, type HostView, type Refusals, tieBreak } from "./snapshot.ts";

export interface BuildRequest {
  /** Where the app was built last: most of its layers and cache are there. */
  readonly cacheHint?: string;
}

export type BuildPlacement = { readonly hostUid: string } | { readonly hostUid?: undefined; readonly refusals: Refusals };

/** Builds at the same time on a host: one a core, at least two, so that one long build never closes a host. */
export function buildSlots(host: HostView): number {
  return Math.max(2, Math.floor(host.capacity.cpuMillis / 1000));
}

/**
 * The host for a build, pure and deterministic as `place`. Score: the one with its cache; fewest builds; chance
 * by seed. A full host is not waited for: a cold build that begins beats a warm one that does not.
 */
export function placeBuild(hosts: readonly HostView[], request: BuildRequest, seed: string): BuildPlacement {
  const refused: Partial<Record<Filter, number>> = {};
  let best: HostView | undefined;
  let bestScore: readonly number[] = [];
  for (const host of hosts) {
    const filter = refuses(host);
    if (filter !== undefined) {
      refused[filter] = (refused[filter] ?? 0) + 1;
      continue;
    }
    const score = [host.uid === request.cacheHint ? 0 : 1, host.builds, tieBreak(seed, host.uid)];
    if (best === undefined || isLess(score, bestScore)) {
      best = host;
      bestScore = score;
    }
  }
  return best === undefined ? { refusals: { hosts: hosts.length, byFilter: refused } } : { hostUid: best.uid };
}

function refuses(host: HostView): Filter | undefined {
  if (!host.roles.includes("build")) return "role";
  if (!host.live) return "live";
  if (!host.schedulable) return "schedulable";
  if (host.builds >= buildSlots(host)) return "builds";
  return undefined;
}
