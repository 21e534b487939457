import type { WatchEvent } from "@plimsoll/contracts";
import type { Kind, Resource } from "@plimsoll/core";
import { type Collection, covers } from "./collections.ts";

/** What is known of one scope: its objects by uid, and which have been removed. Immutable. */
export interface ScopeState {
  readonly objects: ReadonlyMap<string, Resource>;
  /** Uids of removed objects, oldest first: a list that was read earlier and arrives later must not bring them back. */
  readonly removed: ReadonlySet<string>;
}

export const EMPTY_SCOPE: ScopeState = { objects: new Map(), removed: new Set() };

/** The part of a change that matters here; a WatchEvent is one. */
export type Change = Pick<WatchEvent, "type" | "object">;

const REMOVED_KEPT = 2_000;
/** Events are many and only the latest are shown. */
const EVENTS_KEPT = 300;

/**
 * The state after changes, applied in any order and any number of times: of two versions of an object the higher one stays, and
 * removed stays removed (uids are never used again).
 */
export function applyChanges(state: ScopeState, changes: readonly Change[]): ScopeState {
  const objects = new Map(state.objects);
  const removed = new Set(state.removed);
  for (const { type, object } of changes) {
    const { uid, version } = object.metadata;
    if (type === "deleted") {
      objects.delete(uid);
      removed.add(uid);
    } else if (!removed.has(uid) && version > (objects.get(uid)?.metadata.version ?? -1)) {
      objects.set(uid, object);
    }
  }
  return trim({ objects, removed });
}

/** What a list said when it was read. Not `complete`: only the latest objects of it. */
export interface ListContents {
  readonly items: readonly Resource[];
  readonly version: number;
  readonly complete: boolean;
}

/**
 * The state after a list was read: what it holds is merged in, and what it should hold but does not has been removed, unless it
 * is newer than the list (or older than its oldest, when it is not complete).
 */
export function applyList(state: ScopeState, list: Collection, { items, version, complete }: ListContents): ScopeState {
  const oldest = complete ? "" : (items.map((item) => item.metadata.createdAt).sort()[0] ?? "");
  const listed = new Set(items.map((item) => item.metadata.uid));
  const objects = new Map(state.objects);
  for (const [uid, object] of objects) {
    // Not noted as removed: where pages of one list were read at different moments it may only have moved between them.
    if (listed.has(uid) || !covers(list, object) || object.metadata.createdAt < oldest) continue;
    if (object.metadata.version <= version) objects.delete(uid);
  }
  return applyChanges(
    { objects, removed: state.removed },
    items.map((object): Change => ({ type: "updated", object })),
  );
}

/** The objects of a kind, in no particular order. */
export function objectsOf<K extends Kind>(state: ScopeState, kind: K, app?: string): Resource<K>[] {
  const found: Resource<K>[] = [];
  for (const object of state.objects.values()) {
    if (object.metadata.kind !== kind) continue;
    if (app !== undefined && !("app" in object.spec && object.spec.app === app)) continue;
    found.push(object as Resource<K>); // the kind says which it is
  }
  return found;
}

function trim(state: ScopeState): ScopeState {
  const removed = state.removed.size <= REMOVED_KEPT ? state.removed : new Set([...state.removed].slice(-REMOVED_KEPT));
  const events = objectsOf(state, "Event");
  if (events.length <= EVENTS_KEPT) return { objects: state.objects, removed };
  const objects = new Map(state.objects);
  events.sort((a, b) => b.spec.lastAt.localeCompare(a.spec.lastAt));
  for (const event of events.slice(EVENTS_KEPT)) objects.delete(event.metadata.uid);
  return { objects, removed };
}
