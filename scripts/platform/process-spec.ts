import { createHash } from "node:crypto";

/** A process that the supervisor keeps running. Plain data: what differs from the last time is replaced. */
export interface ProcessSpec {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly uid?: number;
  readonly gid?: number;
  /**
   * Directories that it inherits as descriptors 3, 4, … and reaches as /proc/self/fd/3: an unprivileged user can then use
   * directories below one that it may not enter, like /root. It also makes a socket's path short.
   */
  readonly directories?: readonly string[];
  readonly stopSignal: NodeJS.Signals;
  /** After the stop signal, until SIGKILL. */
  readonly graceMs: number;
  /** Of the program's source code; a change of it replaces the process. */
  readonly code?: string;
}

const known = new WeakMap<ProcessSpec, string>();

/** Equal for equal specs. */
export function fingerprintOf(spec: ProcessSpec): string {
  const before = known.get(spec);
  if (before !== undefined) return before;
  const env = Object.entries(spec.env).sort(([a], [b]) => (a < b ? -1 : 1));
  const fingerprint = createHash("sha256")
    .update(JSON.stringify([spec.argv, env, spec.cwd, spec.uid, spec.gid, spec.directories, spec.code]))
    .digest("hex");
  known.set(spec, fingerprint);
  return fingerprint;
}
