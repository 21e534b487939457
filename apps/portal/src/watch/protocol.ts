import type { Resource } from "@plimsoll/core";
import type { ShownProblem } from "#api/problem.ts";
import type { Collection } from "./collections.ts";
import type { Change } from "./scope-state.ts";

/** How the one watch connection is. `idle`: nothing to watch yet. */
export type LinkState = "idle" | "connecting" | "live" | "reconnecting";

/** What a tab tells the hub. */
export type FromTab =
  /** All lists that the tab shows now: replaces what it wanted before. */
  | { readonly type: "want"; readonly collections: readonly Collection[] }
  /** The person signed in or out: everything known belongs to somebody else. */
  | { readonly type: "forget" }
  /** The tab goes away. */
  | { readonly type: "bye" };

/** What the hub tells a tab. */
export type ToTab =
  /** All that the hub knows of a list. */
  | { readonly type: "list"; readonly collection: Collection; readonly items: readonly Resource[]; readonly version: number }
  | { readonly type: "refused"; readonly collection: Collection; readonly problem: ShownProblem }
  | { readonly type: "changes"; readonly scope: string; readonly changes: readonly Change[] }
  | { readonly type: "link"; readonly state: LinkState }
  | { readonly type: "signed-out" }
  | { readonly type: "forget" };
