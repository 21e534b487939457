import type { Resource } from "@plimsoll/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { app, event, release } from "../../test/fixtures.ts";
import { collection } from "./collections.ts";
import { applyChanges, applyList, type Change, EMPTY_SCOPE, objectsOf, type ScopeState } from "./scope-state.ts";

const APPS = collection("/namespaces/acme/store", "apps");

function at(object: Resource, version: number): Resource {
  return { ...object, metadata: { ...object.metadata, version } };
}

function versions(state: ScopeState): Record<string, number> {
  return Object.fromEntries([...state.objects.values()].map((one) => [one.metadata.name, one.metadata.version]));
}

describe("scope state", () => {
  const shop = app("shop");
  const search = app("search");

  it("keeps the newer of two versions, whichever comes last", () => {
    const state = applyChanges(EMPTY_SCOPE, [
      { type: "updated", object: at(shop, 7) },
      { type: "updated", object: at(shop, 5) },
    ]);
    expect(versions(state)).toEqual({ shop: 7 });
  });

  it("does not bring back what was removed when an older list arrives late", () => {
    const removed = applyChanges(applyList(EMPTY_SCOPE, APPS, { items: [at(shop, 3)], version: 3, complete: true }), [
      { type: "deleted", object: at(shop, 9) },
    ]);
    expect(versions(applyList(removed, APPS, { items: [at(shop, 3)], version: 4, complete: true }))).toEqual({});
  });

  it("drops what a new list does not hold, but not what is newer than the list", () => {
    const state = applyChanges(EMPTY_SCOPE, [
      { type: "created", object: at(shop, 3) },
      { type: "created", object: at(search, 12) },
    ]);
    expect(versions(applyList(state, APPS, { items: [], version: 10, complete: true }))).toEqual({ search: 12 });
  });

  it("does not drop what is older than a list of only the latest", () => {
    const releases = collection("/namespaces/acme/store", "releases");
    const old = { ...at(release("shop", 1, undefined, [], "2026-01-01T00:00:00.000Z"), 1) };
    const missing = at(release("shop", 8, undefined, [], "2026-03-03T00:00:00.000Z"), 2);
    const latest = at(release("shop", 7, undefined, [], "2026-03-01T00:00:00.000Z"), 3);
    const state = applyChanges(EMPTY_SCOPE, [
      { type: "created", object: old },
      { type: "created", object: missing },
    ]);
    const after = applyList(state, releases, { items: [latest], version: 10, complete: false });
    expect(Object.keys(versions(after)).sort()).toEqual(["shop-v1", "shop-v7"]);
  });

  it("leaves other apps alone when the list is one app's", () => {
    const state = applyChanges(EMPTY_SCOPE, [
      { type: "created", object: at(release("shop", 1, undefined), 1) },
      { type: "created", object: at(release("search", 1, undefined), 2) },
    ]);
    const after = applyList(state, collection("/namespaces/acme/store", "releases", "shop"), { items: [], version: 5, complete: true });
    expect(Object.keys(versions(after))).toEqual(["search-v1"]);
  });

  it("keeps the latest events only", () => {
    const changes = Array.from({ length: 400 }, (_, index): Change => {
      const happened = event(shop, "Ready", "", { at: new Date(1_700_000_000_000 + index * 1_000).toISOString() });
      return { type: "created", object: at(happened, index + 1) };
    });
    const kept = objectsOf(applyChanges(EMPTY_SCOPE, changes), "Event");
    expect(kept).toHaveLength(300);
    expect(Math.min(...kept.map((one) => Date.parse(one.spec.lastAt)))).toBe(1_700_000_100_000);
  });

  /**
   * The server's truth is a history of changes; a client reads lists at some versions, whose answers arrive in any order, and the
   * changes after the lowest version it has seen, in the order of the scope, some twice. It must end with the truth.
   */
  it("ends with the server's truth, however lists and changes interleave", () => {
    const names = ["a", "b", "c", "d"];
    const objects = new Map(names.map((name) => [name, app(name)]));
    fc.assert(
      fc.property(
        fc.array(fc.record({ name: fc.constantFrom(...names), gone: fc.boolean() }), { maxLength: 25 }),
        fc.array(fc.nat(25), { minLength: 1, maxLength: 4 }),
        fc.infiniteStream(fc.nat(3)),
        (steps, readAt, choices) => {
          let generation = 0;
          const truth = new Map<string, Resource>();
          const history: { version: number; change: Change }[] = [];
          const snapshots = [new Map(truth)];
          steps.forEach((step, index) => {
            const version = index + 1;
            const known = truth.get(step.name);
            if (step.gone && known) {
              history.push({ version, change: { type: "deleted", object: at(known, version) } });
              truth.delete(step.name);
            } else if (!step.gone) {
              const base = objects.get(step.name) as Resource;
              const object = known
                ? at(known, version)
                : { ...at(base, version), metadata: { ...base.metadata, uid: `${step.name}${++generation}`, version } };
              history.push({ version, change: { type: known ? "updated" : "created", object } });
              truth.set(step.name, object);
            }
            snapshots.push(new Map(truth));
          });
          const lists = readAt.map((position) => Math.min(position, steps.length));
          let since = lists[0] ?? 0;
          const first = since;
          let state = applyList(EMPTY_SCOPE, APPS, { items: [...(snapshots[first]?.values() ?? [])], version: first, complete: true });
          const pending = lists.slice(1);
          let changes = history.filter((entry) => entry.version > since);
          const choose = choices[Symbol.iterator]();
          while (pending.length > 0 || changes.length > 0) {
            const choice = choose.next().value ?? 0;
            if (pending.length > 0 && (choice === 0 || changes.length === 0)) {
              const version = pending.shift() ?? 0;
              if (version < since) {
                since = version;
                changes = history.filter((entry) => entry.version > version);
              }
              state = applyList(state, APPS, { items: [...(snapshots[version]?.values() ?? [])], version, complete: true });
            } else {
              const entry = changes.shift();
              if (entry) state = applyChanges(state, choice === 1 ? [entry.change, entry.change] : [entry.change]);
            }
          }
          const expected = Object.fromEntries([...truth.values()].map((one) => [one.metadata.name, one.metadata.version]));
          expect(versions(state)).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
  });
});
