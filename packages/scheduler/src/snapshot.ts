export interface Resources {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
}

/** Percent of the last ten seconds in which tasks of a host waited: some of them, or all that wanted to run (PSI). */
export interface HostPressure {
  readonly cpuSome: number;
  readonly memorySome: number;
  readonly memoryFull: number;
  readonly ioSome: number;
  readonly ioFull: number;
}

/** What holds a build back from a host. */
export interface Pressed {
  readonly host: string;
  readonly resource: "memory" | "disk" | "cpu";
  readonly percent: number;
  /** For how long. */
  readonly holdMs: number;
}

/** A host as the scheduler sees it: an immutable view, read at one moment. */
export interface HostView {
  readonly uid: string;
  readonly name: string;
  readonly roles: readonly ("build" | "run" | "ingress")[];
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: Resources;
  /** What is bound to it, whether it runs already or not. */
  readonly used: Resources;
  /** Heard of within its lease. */
  readonly live: boolean;
  readonly schedulable: boolean;
  /** Instances here by spread group. */
  readonly spread: Readonly<Record<string, number>>;
  /** Builds placed here and not over. */
  readonly builds: number;
  /** Absent: its kernel does not measure it. */
  readonly pressure?: HostPressure;
}

/** Why a host was not taken, in the order the filters are asked. */
export type Filter = "role" | "live" | "schedulable" | "cpu" | "memory" | "builds" | "pressure";

/** How many hosts each filter turned away; `hosts` is how many there are. */
export interface Refusals {
  readonly hosts: number;
  readonly byFilter: Readonly<Partial<Record<Filter, number>>>;
  /** Hosts that would have been taken but for this. */
  readonly pressed?: readonly Pressed[];
}

const SENTENCES: Record<Filter, (count: number) => string> = {
  role: (n) => `${hosts(n)} without the role`,
  live: (n) => `${hosts(n)} not heard of`,
  schedulable: (n) => `${hosts(n)} closed to new work`,
  cpu: (n) => `${hosts(n)} without enough free cpu`,
  memory: (n) => `${hosts(n)} without enough free memory`,
  builds: (n) => `${hosts(n)} busy with builds`,
  pressure: (n) => `${hosts(n)} under pressure`,
};

/** `of 3 hosts: 1 host not heard of, 2 hosts without enough free memory`. */
export function explainRefusals({ hosts: total, byFilter }: Refusals): string {
  if (total === 0) return "there is no host yet";
  const parts = (Object.keys(SENTENCES) as Filter[]).flatMap((filter) => {
    const count = byFilter[filter] ?? 0;
    return count === 0 ? [] : [SENTENCES[filter](count)];
  });
  return `of ${hosts(total)}: ${parts.join(", ")}`;
}

function hosts(count: number): string {
  return count === 1 ? "1 host" : `${count} hosts`;
}

/**
 * A number that depends on the seed and the host alone: ties are broken the same way for the same seed, differently for different ones,
 * whatever the order of the hosts (FNV-1a, 32 bit).
 */
export function tieBreak(seed: string, uid: string): number {
  let hash = 0x811c9dc5;
  for (const text of [seed, "/", uid]) for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
