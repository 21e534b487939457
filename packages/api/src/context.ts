import type { Clock, Logger } from "@plimsoll/config";
import type { Branch as BranchOut } from "@plimsoll/contracts";
import type { Resource } from "@plimsoll/core";
import type { ReadCommitFile } from "@plimsoll/core/app-file";
import type { Database, Tx } from "@plimsoll/db";
import type { Sealing } from "./agent/sealing.ts";
import type { Login } from "./auth/login.ts";
import type { Caller } from "./caller.ts";
import type { Rate } from "./http/rate-limit.ts";
import type { Registry, RegistrySettings } from "./registry/registry.ts";
import type { ApiSettings } from "./settings.ts";
import type { StreamBroker } from "./streams/broker.ts";
import type { Signals } from "./watch/signals.ts";

/** A repository elsewhere. */
interface RemoteAddress {
  readonly scheme: "https" | "http" | "ssh";
  readonly host: string;
  readonly url: string;
}

/** What the API asks about repositories elsewhere. */
interface Remotes {
  /** Whether git takes it as a branch's name. */
  isBranchName(name: string): boolean;
  /** A repository's address, checked; AppError `invalid` says what to write. */
  parseRemote(text: string): RemoteAddress;
  /** Which interface for commits' statuses its host most likely has. */
  guessProvider(remote: Pick<RemoteAddress, "host">): "github" | "gitlab" | "gitea" | "plain";
  newDeployKeyPair(comment: string): { readonly privateKey: string; readonly publicKey: string };
}

/** What the API asks of the git front door. */
export interface GitFrontDoor {
  /** Smart HTTP, mounted at /git/. */
  fetch(request: Request): Promise<Response>;
  /** A commit that an app's repository has, whether or not a branch holds it; undefined when it has none of this id. */
  readCommit(appUid: string, commit: string): Promise<{ readonly subject: string; readonly author: string } | undefined>;
  /** The text files of such a commit, read as they are asked for. */
  commitFiles(appUid: string, commit: string): { readonly read: ReadCommitFile };
  /** Branches and tags, newest first, bounded. */
  listRefs(appUid: string): Promise<{ readonly refs: readonly Omit<BranchOut, "live">[]; readonly more: boolean }>;
  /** The commit of a branch; undefined when there is none of this name. */
  commitOfBranch(appUid: string, branch: string): Promise<string | undefined>;
}

/** What the API asks of the rest of the server. */
export interface ApiPorts {
  readonly db: Database;
  readonly settings: ApiSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly streams: StreamBroker;
  readonly git?: GitFrontDoor;
  /** Absent: nothing can be connected. */
  readonly remotes?: Remotes;
  /** Where the private docker-registry is; absent: images are not kept for people's tools. */
  readonly registryAt?: RegistrySettings;
  /** Requests per token or address; default 100 a second, 500 at once. */
  readonly rate?: Rate;
  /** A host's own queue and the Redis user confined to it; absent: its agent polls. Idempotent. */
  readonly hostQueue?: (hostUid: string) => Promise<{ readonly url: string; readonly prefix: string }>;
}

/** Everything a route may use. */
export interface Api extends ApiPorts {
  readonly signals: Signals;
  readonly login: Login;
  readonly sealing: Sealing;
  readonly registry?: Registry;
}

/** One mutation under way: the transaction, and who asked for it. Use cases take it first; whoever calls them owns the transaction. */
export interface Context {
  readonly tx: Tx;
  readonly caller: Caller;
  readonly settings: Pick<ApiSettings, "platformOrigin">;
}

/** Records who did what to which object, with the mutation itself. `details` never hold a secret. */
export function audit({ tx, caller }: Context, action: string, object: Resource, details: Readonly<Record<string, unknown>> = {}): void {
  const { uid, kind, name, teamUid } = object.metadata;
  tx.audit({
    actor: caller.actor,
    action,
    objectUid: uid,
    details: { kind, name, ...details },
    ...(teamUid === undefined ? {} : { teamUid }),
    ...(caller.requestId === undefined ? {} : { requestId: caller.requestId }),
  });
}
