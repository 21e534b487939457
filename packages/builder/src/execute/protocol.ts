import type { BuildFailure, Digest, LayerRef } from "@plimsoll/core";
import type { HostLayout, IoLimit } from "@plimsoll/host";
import type { Taking } from "../context/filter.ts";
import type { AddAction, CopyAction, RunAction, WorkdirAction } from "../plan/actions.ts";
import type { CopyContent } from "../plan/keys.ts";
import type { DiskAmount } from "./disk-budget.ts";

/**
 * What the agent and a build's worker say to each other: JSON objects, one a line, over the worker's standard input and output. The worker
 * says `ready`, is moved into the build's cgroup, gets `init`, then requests, answered in any order. When its input ends, it ends.
 */
export interface WorkerInit {
  readonly type: "init";
  readonly layout: HostLayout;
  readonly buildId: string;
  /** Bare git repository. */
  readonly repository: string;
  /** Where FirstSeen keeps the times of this repository's files. */
  readonly firstSeenFile: string;
  /** Relative to the layout's cgroupRoot; commands run in cgroups below it. */
  readonly cgroupPath: string;
  readonly userNamespace: { readonly path: string; readonly uidBase: number };
  /** File of certificate authorities that commands shall trust, on a disk. */
  readonly certificates?: string;
  /** No file of a layer is younger. Seconds since 1970. */
  readonly sourceDateEpoch?: number;
  /** Output kept of all commands together; the rest is counted. */
  readonly logBytes: number;
  /** What its steps may write, all together. */
  readonly disk: DiskAmount;
  /** Of the worker and of each command. Absent: none. */
  readonly io?: IoLimit;
}

/** The build context as the worker reads it again. */
export interface ContextSource {
  readonly rootId: string;
  /** Of the context in the repository, `services/api`, or empty. */
  readonly directory: string;
  readonly ignore?: { readonly text: string; readonly file: string };
  /** Seconds since 1970. */
  readonly committedAt: number;
}

export interface BuildNetworkPath {
  readonly path: string;
  readonly nameservers: readonly string[];
}

/** What a mount of RUN is made of, besides what the action says. */
export type MountInput =
  | { readonly kind: "nothing" }
  | { readonly kind: "layers"; readonly layers: readonly Digest[] }
  /** A directory of the host with container-side ids. */
  | { readonly kind: "directory"; readonly path: string }
  /** Base64; null where there is none. */
  | { readonly kind: "secret"; readonly value: string | null };

/** What a repository over SSH is reached with. */
export interface GitKeys {
  /** For people: which key. */
  readonly id: string;
  /** Base64. */
  readonly key: string;
  /** Lines of a known_hosts file; absent: whatever key the server shows first. */
  readonly knownHosts?: string;
}

/** Layers are named bottom first. */
export type WorkerRequest = { readonly id: number } & (
  | {
      readonly type: "run";
      readonly action: RunAction;
      readonly parents: readonly Digest[];
      /** Absent: none. */
      readonly network?: BuildNetworkPath;
      /** For each mount of the action, in its order. */
      readonly mounts: readonly MountInput[];
    }
  | { readonly type: "workdir"; readonly action: WorkdirAction; readonly parents: readonly Digest[] }
  | {
      readonly type: "copy-context";
      readonly action: CopyAction;
      readonly parents: readonly Digest[];
      readonly context: ContextSource;
      /** Where files are noted that need not be written again, and the layer that has them, which stays while this runs. */
      readonly reuse?: { readonly recordFile: string; readonly layer?: Digest };
    }
  | {
      readonly type: "copy-layers";
      readonly action: CopyAction;
      readonly parents: readonly Digest[];
      readonly origin: readonly Digest[];
      /** For the times of inline files. */
      readonly context: ContextSource;
    }
  | {
      readonly type: "add";
      readonly action: AddAction;
      readonly parents: readonly Digest[];
      readonly context: ContextSource;
      /** For each source the layer that it was fetched into; null for those of the context. */
      readonly fetched: readonly (Digest | null)[];
    }
  /** A layer of one file. */
  | {
      readonly type: "fetch-url";
      readonly url: string;
      readonly checksum?: string;
      readonly etag?: string;
      readonly network: BuildNetworkPath;
    }
  /** Only says which commit it is. */
  | {
      readonly type: "resolve-git";
      readonly remote: string;
      readonly ref: string;
      readonly network: BuildNetworkPath;
      readonly keys?: GitKeys;
    }
  | {
      readonly type: "fetch-git";
      readonly remote: string;
      readonly commit: string;
      readonly subdir: string;
      readonly keepGitDir: boolean;
      readonly network: BuildNetworkPath;
      readonly keys?: GitKeys;
    }
  /** Only says what a COPY --from would take. */
  | ({ readonly type: "inspect"; readonly origin: readonly Digest[] } & Taking)
  /** Copies a file or directory of layers into a directory of ours. */
  | { readonly type: "fill"; readonly directory: string; readonly origin: readonly Digest[]; readonly source: string }
);

/** What a request came to. `layer` is null where nothing changed, and for `inspect`. */
export interface WorkerResult {
  readonly layer: LayerRef | null;
  /** What a COPY --from took. */
  readonly contents?: readonly CopyContent[];
  readonly commit?: string;
  /** Of a download: what its server calls it, and whether that is what it was called before. */
  readonly etag?: string;
  readonly unchanged?: true;
}

/** A failure without its place, which the agent knows. */
export type WorkerFailure = Pick<BuildFailure, "reason" | "message" | "exitCode" | "logTail"> & {
  /** How often a command was refused another process. */
  readonly startsRefused?: number;
  /** What went wrong where it is no fault of the build's; the pusher is not shown it. */
  readonly forOperator?: string;
};

export type WorkerMessage =
  | { readonly type: "ready" }
  | { readonly type: "output"; readonly id: number; readonly stream: "stdout" | "stderr"; readonly text: string }
  | { readonly type: "done"; readonly id: number; readonly result: WorkerResult }
  | { readonly type: "failed"; readonly id: number; readonly failure: WorkerFailure };

/** Of the worker itself, below the build's cgroup; commands have others beside it. */
export const WORKER_CGROUP = "worker";

/** Cuts a byte stream into lines of JSON and hands over each; a line longer than `maxBytes` or not JSON is an error. */
export function jsonLines<T>(onMessage: (message: T) => void, maxBytes = 256 * 1024 * 1024): (chunk: Buffer) => void {
  let pending: Buffer[] = [];
  let size = 0;
  return (chunk) => {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([...pending, rest.subarray(0, end)]).toString("utf8");
      pending = [];
      size = 0;
      rest = rest.subarray(end + 1);
      onMessage(JSON.parse(line));
    }
    if (rest.length === 0) return;
    pending.push(rest);
    size += rest.length;
    if (size > maxBytes) throw new Error("a message is too long");
  };
}
