import type { WatchEvent } from "@plimsoll/contracts";
import type { Kind, Resource } from "@plimsoll/core";
import { ProblemError, type ShownProblem } from "#api/problem.ts";
import { problemFrom } from "#api/request.ts";
import { backoffMs } from "#stream/backoff.ts";
import { type EventStreamOptions, pause, SETTLED_MS } from "#stream/event-stream.ts";
import { type Collection, covers, PLATFORM_PATH } from "./collections.ts";
import type { FromTab, LinkState, ToTab } from "./protocol.ts";
import { applyChanges, applyList, type Change, EMPTY_SCOPE, type ListContents, type ScopeState } from "./scope-state.ts";

/** What the hub needs of the outside. Paths are below /api/v1. */
export interface HubIo {
  readonly get: (path: string) => Promise<unknown>;
  /** As readEventStream. */
  readonly stream: (path: string, options: EventStreamOptions) => Promise<void>;
}

export interface Hub {
  /** A tab came. `receive` takes its messages until it said "bye". */
  attach(post: (message: ToTab) => void): (message: FromTab) => void;
}

interface Tab {
  readonly post: (message: ToTab) => void;
  wants: ReadonlyMap<string, Collection>;
}

interface Loading {
  state: "loading" | "loaded" | "refused";
  problem?: ShownProblem;
}

interface Scope {
  readonly path: string;
  uid?: string;
  asked?: Promise<string>;
  data: ScopeState;
  /** Version up to which every change is in `data`: the watch resumes after it. Unset until the first list. */
  cursor?: number;
  /** The version after which every change has been or will be seen. */
  since?: number;
  readonly lists: Map<string, Loading>;
}

interface List {
  readonly items: readonly Resource[];
  readonly version: number;
  readonly continue?: string;
}

const PAGE = 500;
/** Kinds that grow without end: the API lists their latest first, and pages show no more than these. */
const LATEST: ReadonlySet<Kind> = new Set(["Build", "Release", "Deployment", "Event"]);
const LATEST_SHOWN = 200;
/** A page that is left for another often comes back: what it showed is kept up to date for a while. */
const UNWANTED_KEPT_MS = 60_000;
/** Changes of one rollout come in bursts: tabs draw once for all that came within this time. */
const BURST_MS = 40;

/**
 * Keeps what the browser's tabs show, once for all of them: each list is read once and then kept true by one watch connection,
 * which resumes where it broke. A scope whose changes are too old for the server (`gone`) is listed again. Level-triggered: whatever
 * happens, `reconcile` compares what tabs want with what is there.
 */
export function createHub(io: HubIo): Hub {
  const tabs = new Set<Tab>();
  let scopes = new Map<string, Scope>();
  let link: LinkState = "idle";
  let watch: { readonly scopes: string; readonly abort: AbortController } | undefined;
  let refusals = 0;
  const recentlyWanted = new Map<string, ReturnType<typeof setTimeout>>();
  let era = 0; // grows when the person changes: answers to earlier questions are dropped

  const wanted = (): Map<string, Collection> => new Map([...tabs].flatMap((tab) => [...tab.wants]));
  const toAll = (message: ToTab): void => {
    for (const tab of tabs) tab.post(message);
  };
  const setLink = (state: LinkState): void => {
    if (state === link) return;
    link = state;
    toAll({ type: "link", state });
  };

  function scopeOf(path: string): Scope {
    const known = scopes.get(path);
    if (known) return known;
    const scope: Scope = { path, data: EMPTY_SCOPE, lists: new Map() };
    scopes.set(path, scope);
    return scope;
  }

  function reconcile(): void {
    for (const list of wanted().values()) {
      const scope = scopeOf(list.scope);
      if (!scope.lists.has(list.path)) void load(scope, list);
    }
    reconcileWatch();
  }

  /** Reads a list until it is there; gives up only when it is refused for good. */
  async function load(scope: Scope, list: Collection): Promise<void> {
    const loading: Loading = { state: "loading" };
    const asked = era;
    const current = () => asked === era && scope.lists.get(list.path) === loading;
    scope.lists.set(list.path, loading);
    for (let attempt = 0; current(); attempt++) {
      try {
        const [uid, contents] = await Promise.all([uidOf(scope), readList(list)]);
        if (!current()) return;
        scope.uid = uid;
        scope.data = applyList(scope.data, list, contents);
        if (scope.since === undefined || contents.version < scope.since) {
          // Read before the watch began and answered after: what happened between is told again.
          if (scope.cursor !== undefined) stopWatch();
          scope.since = scope.cursor = contents.version;
        }
        loading.state = "loaded";
        postList(scope, list, contents.version);
        return reconcileWatch();
      } catch (error) {
        if (!current()) return;
        if (error instanceof ProblemError && error.problem.status === 401) return signedOut();
        loading.problem = problemFrom(error);
        for (const tab of tabs) if (tab.wants.has(list.path)) tab.post({ type: "refused", collection: list, problem: loading.problem });
        if (error instanceof ProblemError && error.final) {
          loading.state = "refused";
          return;
        }
        await pause(backoffMs(attempt), new AbortController().signal);
        if (current() && !wanted().has(list.path)) {
          scope.lists.delete(list.path);
          return;
        }
      }
    }
  }

  /** The uid that the watch knows the scope by; asked once, however many of its lists are read. */
  function uidOf(scope: Scope): Promise<string> {
    // As core's PLATFORM_SCOPE, which a browser could only have together with all of core's schemas.
    if (scope.path === PLATFORM_PATH) return Promise.resolve("platform");
    scope.asked ??= io.get(scope.path).then(
      (object) => (object as Resource).metadata.uid,
      (error: unknown) => {
        delete scope.asked;
        throw error;
      },
    );
    return scope.asked;
  }

  async function readList(list: Collection): Promise<ListContents> {
    const latestOnly = LATEST.has(list.kind);
    const join = list.path.includes("?") ? "&" : "?";
    const path = `${list.path}${join}limit=${latestOnly ? LATEST_SHOWN : PAGE}`;
    const first = (await io.get(path)) as List;
    const items = [...first.items];
    let next = first.continue;
    while (next !== undefined && !latestOnly) {
      const more = (await io.get(`${path}&continue=${encodeURIComponent(next)}`)) as List;
      items.push(...more.items);
      next = more.continue;
    }
    return { items, version: first.version, complete: next === undefined };
  }

  function postList(scope: Scope, list: Collection, version: number, only?: Tab): void {
    const items = [...scope.data.objects.values()].filter((object) => covers(list, object));
    for (const tab of only ? [only] : tabs) if (tab.wants.has(list.path)) tab.post({ type: "list", collection: list, items, version });
  }

  /** One connection for all scopes that are shown and have been listed; another set of scopes takes another connection. */
  function reconcileWatch(): void {
    const paths = new Set([...wanted().values()].map((list) => list.scope));
    for (const [path, scope] of scopes) if (scope.cursor !== undefined && recentlyWanted.has(path)) paths.add(path);
    const watched = [...paths].flatMap((path) => scopes.get(path) ?? []).filter((scope) => scope.uid && scope.cursor !== undefined);
    const key = watched
      .map((scope) => scope.uid)
      .sort()
      .join();
    if (key === (watch?.scopes ?? "")) return;
    stopWatch();
    if (key === "") {
      setLink("idle");
      return;
    }
    watch = { scopes: key, abort: new AbortController() };
    void follow(watched, watch.abort.signal);
  }

  function stopWatch(): void {
    watch?.abort.abort();
    watch = undefined;
  }

  async function follow(watched: readonly Scope[], signal: AbortSignal): Promise<void> {
    let attempt = 0;
    let burst: { scope: Scope; change: Change }[] = [];
    const flush = () => {
      const now = burst;
      burst = [];
      for (const scope of new Set(now.map((entry) => entry.scope))) {
        const changes = now.filter((entry) => entry.scope === scope).map((entry) => entry.change);
        for (const tab of tabs) {
          if ([...tab.wants.values()].some((list) => list.scope === scope.path)) tab.post({ type: "changes", scope: scope.path, changes });
        }
      }
    };
    if (link === "idle") setLink("connecting");
    while (!signal.aborted) {
      let openedMs: number | undefined;
      try {
        const query = watched.filter((scope) => scope.cursor !== undefined).map((scope) => `scope=${scope.uid}:${scope.cursor}`);
        if (query.length === 0) return;
        await io.stream(`/watch?${query.join("&")}`, {
          signal,
          onOpen: () => {
            openedMs = Date.now();
            refusals = 0;
            setLink("live");
          },
          onEvent: ({ event, data }) => {
            if (signal.aborted) return;
            if (event === "gone") return again(watched, (JSON.parse(data) as { scope: string }).scope);
            if (event !== "message") return;
            const change = JSON.parse(data) as WatchEvent;
            const scope = watched.find((one) => one.uid === change.scope);
            if (scope?.cursor === undefined) return;
            scope.cursor = Math.max(scope.cursor, change.version);
            scope.data = applyChanges(scope.data, [change]);
            if (burst.push({ scope, change }) === 1) setTimeout(flush, BURST_MS);
          },
        });
      } catch (error) {
        const problem = problemFrom(error);
        if (problem.status === 401) return signedOut();
        // One of the scopes is not there any more, or its version cannot be resumed: the lists tell which.
        if (problem.status === 404 || problem.status === 410) {
          setLink("reconnecting");
          await pause(backoffMs(refusals++), signal);
          if (!signal.aborted) for (const scope of watched) again(watched, scope.uid ?? "");
        }
      }
      if (signal.aborted) return;
      // One that ends at once, again and again, is asked for ever more rarely.
      if (openedMs !== undefined && Date.now() - openedMs > SETTLED_MS) attempt = 0;
      setLink("reconnecting");
      await pause(backoffMs(attempt++), signal);
    }
  }

  /** Lists a scope again: changes were missed. What is shown stays until the lists are there. */
  function again(watched: readonly Scope[], uid: string): void {
    const scope = watched.find((one) => one.uid === uid);
    if (!scope) return;
    delete scope.cursor;
    delete scope.since;
    scope.lists.clear();
    stopWatch();
    reconcile();
  }

  function forget(): void {
    era++;
    scopes = new Map();
    stopWatch();
    setLink("idle");
  }

  function signedOut(): void {
    forget();
    for (const tab of tabs) tab.wants = new Map();
    toAll({ type: "signed-out" });
  }

  /** A scope that no tab shows any more is dropped after a while. */
  function scheduleDrops(): void {
    const shown = new Set([...wanted().values()].map((list) => list.scope));
    for (const path of scopes.keys()) {
      if (shown.has(path)) {
        clearTimeout(recentlyWanted.get(path));
        recentlyWanted.delete(path);
      } else if (!recentlyWanted.has(path)) {
        recentlyWanted.set(
          path,
          setTimeout(() => {
            recentlyWanted.delete(path);
            scopes.delete(path);
            reconcileWatch();
          }, UNWANTED_KEPT_MS),
        );
      }
    }
  }

  function want(tab: Tab, collections: readonly Collection[]): void {
    const before = tab.wants;
    tab.wants = new Map(collections.map((list) => [list.path, list]));
    for (const list of collections) {
      const scope = scopeOf(list.scope);
      const loading = scope.lists.get(list.path);
      if (loading?.state === "refused" && !before.has(list.path)) scope.lists.delete(list.path); // asked anew, perhaps it is there now
      if (loading?.state === "loaded" && !before.has(list.path)) postList(scope, list, scope.cursor ?? 0, tab);
    }
    scheduleDrops();
    reconcile();
  }

  return {
    attach(post) {
      const tab: Tab = { post, wants: new Map() };
      tabs.add(tab);
      post({ type: "link", state: link });
      return (message) => {
        tabs.add(tab); // a page that comes back out of the browser's cache speaks again after its "bye"
        switch (message.type) {
          case "want":
            return want(tab, message.collections);
          case "forget":
            for (const other of tabs) if (other !== tab) other.post({ type: "forget" });
            return forget();
          case "bye":
            tabs.delete(tab);
            tab.wants = new Map();
            scheduleDrops();
            return reconcile();
        }
      };
    },
  };
}
