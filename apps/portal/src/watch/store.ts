import type { Resource } from "@plimsoll/core";
import type { ShownProblem } from "#api/problem.ts";
import type { Collection } from "./collections.ts";
import type { FromTab, LinkState, ToTab } from "./protocol.ts";
import { applyChanges, applyList, EMPTY_SCOPE, type ScopeState } from "./scope-state.ts";

/** How far a list is: `loading` until its first answer; `problem` stays set while tries go on failing. */
export interface ListState {
  readonly loaded: boolean;
  readonly problem?: ShownProblem;
}

export interface StoreCallbacks {
  /** The API says that nobody is signed in. */
  readonly signedOut: () => void;
  /** Somebody signed in or out in another tab. */
  readonly personChanged: () => void;
}

const NOT_LOADED: ListState = { loaded: false };

/**
 * What this tab knows: a mirror of the hub's state for the lists that its components show. Components subscribe through React's
 * useSyncExternalStore; every snapshot is immutable.
 */
export class WatchStore {
  link: LinkState = "idle";
  readonly #connect: (onMessage: (message: ToTab) => void) => (message: FromTab) => void;
  #connection: ((message: FromTab) => void) | undefined;
  readonly #on: StoreCallbacks;
  readonly #scopes = new Map<string, ScopeState>();
  readonly #lists = new Map<string, ListState>();
  readonly #wants = new Map<string, { readonly list: Collection; count: number }>();
  readonly #listeners = new Set<() => void>();
  #announced = "";
  #closed = false;

  constructor(connect: (onMessage: (message: ToTab) => void) => (message: FromTab) => void, on: StoreCallbacks) {
    this.#on = on;
    this.#connect = connect;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  scope(path: string): ScopeState {
    return this.#scopes.get(path) ?? EMPTY_SCOPE;
  }

  list(path: string): ListState {
    return this.#lists.get(path) ?? NOT_LOADED;
  }

  /** Takes an object that a request answered: it is shown at once, not only when the watch tells. */
  learn(scope: string, object: Resource): void {
    this.#scopes.set(scope, applyChanges(this.scope(scope), [{ type: "updated", object }]));
    for (const listener of this.#listeners) listener();
  }

  /** Keeps a list up to date until the returned function is called; several may want the same one. */
  want(list: Collection): () => void {
    const known = this.#wants.get(list.path);
    if (known) known.count++;
    else this.#wants.set(list.path, { list, count: 1 });
    this.#announceSoon();
    return () => {
      const entry = this.#wants.get(list.path);
      if (!entry || --entry.count > 0) return;
      this.#wants.delete(list.path);
      this.#announceSoon();
    };
  }

  /** Drops all that is known, here and in other tabs: the person changed. */
  forget(): void {
    this.#clear();
    this.#send({ type: "forget" });
  }

  /** Whoever used it is gone: nothing is told any more until it is opened again. */
  close(): void {
    this.#closed = true;
    this.leave();
  }

  open(): void {
    this.#closed = false;
    this.resume();
  }

  /** The page is left, perhaps into the browser's cache, from which `resume` brings it back. */
  leave(): void {
    this.#announced = "";
    this.#connection?.({ type: "bye" });
  }

  resume(): void {
    this.#announceSoon();
  }

  /** One message for all that components of one page want, not one each. */
  #announceSoon(): void {
    queueMicrotask(() => {
      if (this.#closed) return;
      const collections = [...this.#wants.values()].map((entry) => entry.list);
      const key = collections.map((list) => list.path).join("\n");
      if (key === this.#announced) return;
      this.#announced = key;
      // The hub stops telling about what is not wanted: it would be stale when it is wanted again.
      for (const path of this.#lists.keys()) if (!this.#wants.has(path)) this.#lists.delete(path);
      this.#send({ type: "want", collections });
    });
  }

  /** Connects with the first message: drawing a page on the server, or a page that shows no list, takes no connection. */
  #send(message: FromTab): void {
    this.#connection ??= this.#connect((answer) => this.#receive(answer));
    this.#connection(message);
  }

  #receive(message: ToTab): void {
    if (this.#closed) return;
    switch (message.type) {
      case "list": {
        const { collection, items, version } = message;
        this.#scopes.set(collection.scope, applyList(this.scope(collection.scope), collection, { items, version, complete: true }));
        this.#lists.set(collection.path, { loaded: true });
        break;
      }
      case "refused":
        this.#lists.set(message.collection.path, { loaded: this.list(message.collection.path).loaded, problem: message.problem });
        break;
      case "changes":
        this.#scopes.set(message.scope, applyChanges(this.scope(message.scope), message.changes));
        break;
      case "link":
        this.link = message.state;
        break;
      case "signed-out":
        this.#clear();
        this.#on.signedOut();
        break;
      case "forget":
        this.#clear();
        this.#on.personChanged();
        break;
    }
    for (const listener of this.#listeners) listener();
  }

  #clear(): void {
    this.#scopes.clear();
    this.#lists.clear();
    this.#announced = "";
  }
}
