import type { BuildEvent } from "@plimsoll/core";

/** What becomes of a push, as told to the person who waits for it. Times are milliseconds. */
export type PushProgress =
  | { readonly type: "build"; readonly event: BuildEvent }
  /** Nothing moves, and why: shown once per reason. */
  /** A whole sentence: `Waits for a build slot: …`. */
  | { readonly type: "waiting"; readonly reason: string }
  | {
      readonly type: "release";
      readonly number: number;
      readonly processes: readonly { readonly name: string; readonly replicas: number }[];
      /** `image`, `env PRICE_TABLE`; empty for the first release. */
      readonly changed: readonly string[];
    }
  /** The release's command, before anything of the release starts. */
  | { readonly type: "command"; readonly state: "running" }
  | { readonly type: "command"; readonly state: "succeeded"; readonly tookMs: number; readonly output: readonly string[] }
  | InstanceProgress
  /** The instances of the release before are gone. */
  | {
      readonly type: "drained";
      readonly release: number;
      /** What the ingress counted meanwhile, where it is known. */
      readonly requests?: { readonly total: number; readonly failed: number };
    }
  /** A sentence of the platform about this deployment, such as a host whose router did not acknowledge. */
  | { readonly type: "notice"; readonly text: string }
  | { readonly type: "outcome"; readonly outcome: PushOutcome };

export type InstanceProgress =
  | {
      readonly type: "instance";
      readonly state: "ready";
      /** `web-1`. */
      readonly name: string;
      readonly host: string;
      /** Since the release was made. */
      readonly startedMs: number;
      readonly readyMs: number;
    }
  | {
      readonly type: "instance";
      /** `restarted`: it ended and is tried again; `failed`: it was given up. */
      readonly state: "restarted" | "failed";
      readonly name: string;
      /** `not ready after 60 s: GET /healthz on port 8080 refused the connection`, `exited with 1`. */
      readonly reason: string;
      readonly started: boolean;
      readonly logTail: readonly string[];
      readonly hint?: string;
    };

/** How a push ended. `liveRelease` is what serves after a failure; absent when nothing does. */
export type PushOutcome =
  | { readonly ok: true; readonly url?: string; readonly sincePushMs: number }
  | { readonly ok: false; readonly kind: "build_failed"; readonly build: number; readonly liveRelease?: number }
  | {
      readonly ok: false;
      readonly kind: "never_ready";
      readonly release: number;
      readonly deployment: number;
      readonly liveRelease?: number;
    }
  | {
      readonly ok: false;
      readonly kind: "command_failed";
      readonly release: number;
      readonly deployment: number;
      readonly liveRelease?: number;
    }
  /** `message` may have several lines. */
  | { readonly ok: false; readonly kind: "quota_exceeded"; readonly message: string; readonly liveRelease?: number }
  | { readonly ok: false; readonly kind: "superseded"; readonly by?: { readonly commit: string; readonly pusher: string } }
  | { readonly ok: false; readonly kind: "cancelled"; readonly by?: string; readonly liveRelease?: number }
  | { readonly ok: false; readonly kind: "failed"; readonly message: string; readonly liveRelease?: number };
