import type { PushProgress } from "./progress.ts";

/** Who pushes or fetches. Handed back to the ports as it came from them, so an implementation may carry more in it. */
export interface Principal {
  readonly userId: string;
  /** For people: `Ana`. */
  readonly name: string;
}

export interface RepositoryRef {
  readonly team: string;
  readonly namespace: string;
  readonly app: string;
}

/** A commit that came in for deployment. */
export interface PushRecord {
  /** Sorts by time. */
  readonly id: string;
  readonly appUid: string;
  /** 40 hex digits. */
  readonly commit: string;
  /** What the branch pointed at when the push came in; forty zeros when there was none. */
  readonly oldCommit: string;
  /** Without refs/heads/. */
  readonly branch: string;
  /** First line of the commit's message, of any length and characters. */
  readonly subject: string;
  /** Name of the commit's author. */
  readonly author: string;
  readonly pusher: Pusher;
}

/** Who pushed, as kept with the commit: enough to record the push after a crash. */
export interface Pusher {
  readonly userId: string;
  readonly name: string;
}

/** What finishing a push needs of it. */
export type PushToFinish = Pick<PushRecord, "id" | "appUid" | "commit" | "oldCommit" | "branch">;

/** `moved`: the branch points at the commit; otherwise `reason` completes the sentence "main was not moved: …". */
export type FinishedPush = { readonly moved: true } | { readonly moved: false; readonly reason: string };

/**
 * What the front door asks of the platform. All may be called concurrently. What they throw as AppError is shown to the person who
 * pushes as it is; anything else is logged and shown as "something unexpected".
 */
export interface GitPorts {
  /**
   * The owner of an SSH key, undefined when nobody's. Asked before the client has proved that it holds the key: must change nothing.
   * `fingerprint` is `SHA256:` and unpadded base64 as `ssh-keygen -l` prints it; `publicKey` is the key in SSH wire format.
   */
  authenticateKey(fingerprint: string, publicKey: Buffer): Promise<Principal | undefined>;
  /** The holder of a token that came as password by HTTP basic authentication, undefined when it is not valid. */
  authenticateToken(secret: string): Promise<Principal | undefined>;
  /**
   * The app behind a path; with `write`, created when it is not there and the principal may. Throws AppError not_found, forbidden or
   * quota_exceeded with a message that says what to do. `appUid` consists of a-z, 0-9 and _.
   */
  openRepository(principal: Principal, ref: RepositoryRef, access: "read" | "write"): Promise<{ readonly appUid: string }>;
  /**
   * Records the push and asks for its build, and marks older unfinished pushes of the app as superseded, in one transaction.
   * Idempotent by id. `files` reads what the commit has. An AppError with retry "never" means that it is not recorded and never will be; every other error is retried.
   */
  recordPush(push: PushRecord, files: CommitFiles): Promise<void>;
  /** Which of these pushes of the app are recorded, and whether each is still `open` or `over` (deployed or refused). */
  knownPushes(appUid: string, ids: readonly string[]): Promise<ReadonlyMap<string, "open" | "over">>;
  /**
   * Everything that happened to a push since its beginning and then what happens, in order, ending with its one outcome. A
   * successful outcome is told when the release is live; the branch is moved by whoever hears of it, through finishPush. Stops
   * without a word when `signal` is aborted.
   */
  followPush(pushId: string, signal: AbortSignal): AsyncIterable<PushProgress>;
}

/** Reads text files of one commit. */
export interface CommitFiles {
  /** The file's text by its path in the repository; undefined when no file is there, or a link. AppError `invalid` when it is large. */
  read(path: string): Promise<string | undefined>;
}

export interface GitLogger {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface GitClock {
  /** Milliseconds since 1970. */
  now(): number;
}
