"use client";

import type { Resource } from "@plimsoll/core";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { ShownProblem } from "#api/problem.ts";
import { useFetched } from "#api/use-fetched.ts";
import { collection, type KindOf, type Plural } from "./collections.ts";
import { connectToHub } from "./connect.ts";
import type { LinkState } from "./protocol.ts";
import { EMPTY_SCOPE, objectsOf } from "./scope-state.ts";
import { type ListState, WatchStore } from "./store.ts";

const Store = createContext<WatchStore | undefined>(undefined);

/** Gives the lists below it their store; calls `onSignedOut` when the API says that nobody is signed in. */
export function WatchProvider({ children, onSignedOut }: { readonly children: ReactNode; readonly onSignedOut: () => void }) {
  const callbacks = useRef({ signedOut: onSignedOut });
  callbacks.current = { signedOut: onSignedOut };
  const [store] = useState(
    () => new WatchStore(connectToHub, { signedOut: () => callbacks.current.signedOut(), personChanged: () => location.reload() }),
  );
  useEffect(() => {
    const leave = () => store.leave();
    const resume = () => store.resume();
    store.open();
    window.addEventListener("pagehide", leave);
    window.addEventListener("pageshow", resume);
    return () => {
      store.close();
      window.removeEventListener("pagehide", leave);
      window.removeEventListener("pageshow", resume);
    };
  }, [store]);
  return <Store value={store}>{children}</Store>;
}

export function useWatchStore(): WatchStore {
  const store = useContext(Store);
  if (!store) throw new Error("useWatchStore outside of WatchProvider");
  return store;
}

export interface Listed<K extends Resource["metadata"]["kind"]> {
  readonly items: readonly Resource<K>[];
  /** False until the first answer: `items` says nothing yet. */
  readonly loaded: boolean;
  readonly problem?: ShownProblem | undefined;
}

const SERVER_LIST: ListState = { loaded: false };

/** The objects of a scope (of one app), kept up to date while the component is shown. In no order. */
export function useList<P extends Plural>(scope: string, plural: P, app?: string): Listed<KindOf<P>> {
  const store = useWatchStore();
  const list = useMemo(() => collection(scope, plural, app), [scope, plural, app]);
  useEffect(() => store.want(list), [store, list]);
  const state = useSyncExternalStore(
    store.subscribe,
    () => store.scope(scope),
    () => EMPTY_SCOPE,
  );
  const { loaded, problem } = useSyncExternalStore(
    store.subscribe,
    () => store.list(list.path),
    () => SERVER_LIST,
  );
  return useMemo(
    () => ({ items: loaded ? objectsOf(state, list.kind as KindOf<P>, app) : [], loaded, problem }),
    [state, list, app, loaded, problem],
  );
}

/** One object of a list by its name; one that is too old for the list is read on its own. `missing`: there is none. */
export function useNamed<P extends Plural>(
  scope: string,
  plural: P,
  name: string,
  app?: string,
): { readonly object: Resource<KindOf<P>> | undefined; readonly missing: boolean; readonly problem: ShownProblem | undefined } {
  const list = useList(scope, plural, app);
  const listed = list.items.find((one) => one.metadata.name === name);
  const alone = useFetched<Resource<KindOf<P>>>(list.loaded && !listed ? `${scope}/${plural}/${encodeURIComponent(name)}` : undefined);
  const nowhere = alone.problem?.status === 404 || (!list.loaded && list.problem?.status === 404);
  return { object: listed ?? alone.value, missing: nowhere, problem: alone.problem ?? list.problem };
}

export function useLink(): LinkState {
  const store = useWatchStore();
  return useSyncExternalStore(
    store.subscribe,
    () => store.link,
    () => "idle",
  );
}
