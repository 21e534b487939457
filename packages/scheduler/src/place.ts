import { type Filter, type HostView, type Refusals, type Resources, tieBreak } from "./snapshot.ts";

export interface InstanceRequest extends Resources {
  /** The caller's name for it. */
  readonly id: string;
  /** Instances of a group go to different hosts as far as there are any. */
  readonly spreadGroup: string;
  /** Has the image already. */
  readonly imageHostUid?: string;
}

export interface Placement {
  readonly placed: readonly { readonly id: string; readonly hostUid: string }[];
  readonly unplaced: readonly { readonly id: string; readonly refusals: Refusals }[];
}

/** What one host has taken so far, while a plan is being made. */
interface Candidate {
  readonly host: HostView;
  readonly tie: number;
  cpuMillis: number;
  memoryBytes: number;
  readonly spread: Map<string, number>;
}

/**
 * Places requests on hosts, in their order, each as filter → score → bind on what the ones before left. Pure and deterministic: the
 * same hosts (in any order), requests and seed give the same plan. The plan is optimistic; whoever applies it checks that it still fits.
 *
 * Score, most important first: fewest instances of the spread group; evenly filled hosts (in tenths, so that small differences do not
 * outweigh what follows); the host that has the image; evenly filled to the last bit; chance by seed.
 */
export function place(hosts: readonly HostView[], requests: readonly InstanceRequest[], seed: string): Placement {
  const candidates = hosts.map(
    (host): Candidate => ({
      host,
      tie: tieBreak(seed, host.uid),
      cpuMillis: host.used.cpuMillis,
      memoryBytes: host.used.memoryBytes,
      spread: new Map(Object.entries(host.spread)),
    }),
  );
  const placed: { id: string; hostUid: string }[] = [];
  const unplaced: { id: string; refusals: Refusals }[] = [];
  for (const request of requests) {
    const refused: Partial<Record<Filter, number>> = {};
    let best: Candidate | undefined;
    let bestScore: readonly number[] = [];
    for (const candidate of candidates) {
      const filter = refuses(candidate, request);
      if (filter !== undefined) {
        refused[filter] = (refused[filter] ?? 0) + 1;
        continue;
      }
      const score = scoreOf(candidate, request);
      if (best === undefined || isLess(score, bestScore)) {
        best = candidate;
        bestScore = score;
      }
    }
    if (best === undefined) {
      unplaced.push({ id: request.id, refusals: { hosts: hosts.length, byFilter: refused } });
      continue;
    }
    bind(best, request);
    placed.push({ id: request.id, hostUid: best.host.uid });
  }
  return { placed, unplaced };
}

/** The first filter that turns the host away, or undefined. */
function refuses({ host, cpuMillis, memoryBytes }: Candidate, request: InstanceRequest): Filter | undefined {
  if (!host.roles.includes("run")) return "role";
  if (!host.live) return "live";
  if (!host.schedulable) return "schedulable";
  if (cpuMillis + request.cpuMillis > host.capacity.cpuMillis) return "cpu";
  if (memoryBytes + request.memoryBytes > host.capacity.memoryBytes) return "memory";
  return undefined;
}

function scoreOf(candidate: Candidate, request: InstanceRequest): readonly number[] {
  const { host } = candidate;
  const fill = Math.max(
    (candidate.cpuMillis + request.cpuMillis) / host.capacity.cpuMillis,
    (candidate.memoryBytes + request.memoryBytes) / host.capacity.memoryBytes,
  );
  return [
    candidate.spread.get(request.spreadGroup) ?? 0,
    Math.floor(fill * 10),
    host.uid === request.imageHostUid ? 0 : 1,
    fill,
    candidate.tie,
  ];
}

function bind(candidate: Candidate, request: InstanceRequest): void {
  candidate.cpuMillis += request.cpuMillis;
  candidate.memoryBytes += request.memoryBytes;
  candidate.spread.set(request.spreadGroup, (candidate.spread.get(request.spreadGroup) ?? 0) + 1);
}

export function isLess(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < a.length; i++) {
    const left = a[i] ?? 0;
    const right = b[i] ?? 0;
    if (left !== right) return left < right;
  }
  return false;
}
