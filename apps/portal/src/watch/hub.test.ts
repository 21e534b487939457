import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { request } from "#api/request.ts";
import { readEventStream } from "#stream/event-stream.ts";
import { FakeApi, refusal } from "../../test/fake-api.ts";
import { app, instance, namespace } from "../../test/fixtures.ts";
import { emptyWorld, shopWorld } from "../../test/worlds.ts";
import { collection, namespacePath, teamPath } from "./collections.ts";
import { createHub, type Hub } from "./hub.ts";
import type { FromTab, ToTab } from "./protocol.ts";
import { objectsOf } from "./scope-state.ts";
import { WatchStore } from "./store.ts";

const STORE = namespacePath("acme", "store");
const APPS = collection(STORE, "apps");
const INSTANCES = collection(STORE, "instances", "shop");
const NAMESPACES = collection(teamPath("acme"), "namespaces");

describe("hub and store, against an API over HTTP", () => {
  let api: FakeApi;
  let hub: Hub;
  const tabs: Tab[] = [];
  const worlds: { isOver: boolean }[] = [];

  beforeEach(async () => {
    api = new FakeApi();
    const origin = await api.listen();
    const absolute = globalThis.fetch;
    // In a page addresses are relative to it.
    vi.stubGlobal("fetch", (input: string, init?: RequestInit) => absolute(new URL(input, origin), init));
    const world = { isOver: false };
    worlds.push(world);
    // A hub keeps its watch for a while after its last tab has gone, and would go on with the next test's API.
    const here = <T>(ask: () => Promise<T>): Promise<T> => (world.isOver ? new Promise(() => undefined) : ask());
    hub = createHub({
      get: (path) => here(() => request("GET", path)),
      stream: (path, options) => here(() => readEventStream(`/api/v1${path}`, options)),
    });
  });
  afterEach(async () => {
    for (const tab of tabs.splice(0)) tab.store.close();
    for (const world of worlds.splice(0)) world.isOver = true;
    await api.close();
    vi.unstubAllGlobals();
  });

  interface Tab {
    readonly store: WatchStore;
    readonly said: string[];
    names(): string[];
  }
  function openTab(): Tab {
    const said: string[] = [];
    const store = new WatchStore((onMessage: (message: ToTab) => void): ((message: FromTab) => void) => hub.attach(onMessage), {
      signedOut: () => said.push("signed out"),
      personChanged: () => said.push("person changed"),
    });
    const names = () =>
      objectsOf(store.scope(STORE), "App")
        .map((one) => one.metadata.name)
        .sort();
    const tab = { store, said, names };
    tabs.push(tab);
    return tab;
  }

  it("lists once, and shows what changes afterwards without asking again", async () => {
    const shop = shopWorld(api);
    const tab = openTab();
    tab.store.want(APPS);
    await expect.poll(() => tab.names()).toEqual(["import", "report", "search", "shop"]);
    await expect.poll(() => tab.store.link).toBe("live");
    api.change(shop.app, { phase: "degraded" });
    await expect
      .poll(() => objectsOf(tab.store.scope(STORE), "App").find((one) => one.metadata.name === "shop")?.status.phase)
      .toBe("degraded");
    api.remove(shop.app);
    await expect.poll(() => tab.names()).toEqual(["import", "report", "search"]);
    expect(api.requests.filter((line) => line.includes("/apps"))).toHaveLength(1);
  });

  it("holds one connection for all tabs, and answers a second tab from what it knows", async () => {
    shopWorld(api);
    const first = openTab();
    first.store.want(APPS);
    first.store.want(NAMESPACES);
    await expect.poll(() => [...api.watchers].map((one) => one.scopes.size)).toEqual([2]);
    const second = openTab();
    second.store.want(APPS);
    await expect.poll(() => second.names()).toHaveLength(4);
    await expect.poll(() => api.watchers.size, { timeout: 5_000 }).toBe(1);
    expect(api.requests.filter((line) => line.includes("/apps"))).toHaveLength(1);
  });

  it("says that it reconnects, and misses nothing that happened meanwhile", async () => {
    const shop = shopWorld(api);
    const tab = openTab();
    tab.store.want(APPS);
    await expect.poll(() => tab.store.link).toBe("live");
    api.down = true;
    api.cut();
    await expect.poll(() => tab.store.link).toBe("reconnecting");
    expect(tab.names()).toContain("shop");
    api.remove(shop.app);
    api.put(app("later"));
    api.down = false;
    await expect.poll(() => tab.names(), { timeout: 5_000 }).toEqual(["import", "later", "report", "search"]);
    expect(tab.store.link).toBe("live");
    expect(api.requests.filter((line) => line.includes("/apps"))).toHaveLength(1);
  });

  it("lists again when its version is gone", async () => {
    const shop = shopWorld(api);
    const tab = openTab();
    tab.store.want(APPS);
    await expect.poll(() => tab.store.link).toBe("live");
    api.down = true;
    api.cut();
    await expect.poll(() => tab.store.link).toBe("reconnecting");
    api.remove(shop.app);
    const after = api.put(app("later"));
    api.forgottenUpTo = after.metadata.version;
    api.down = false;
    await expect.poll(() => tab.names(), { timeout: 5_000 }).toEqual(["import", "later", "report", "search"]);
    expect(api.requests.filter((line) => line.includes("/apps"))).toHaveLength(2);
    api.put(app("still-live"));
    await expect.poll(() => tab.names()).toContain("still-live");
  });

  it("asks once more, not in a loop, while its scopes are refused", async () => {
    emptyWorld(api);
    const tab = openTab();
    tab.store.want(APPS);
    await expect.poll(() => tab.store.link).toBe("live");
    api.on("GET", "/watch", () => refusal(404, "not_found", "There is no such scope to watch."));
    api.cut();
    await expect.poll(() => tab.store.link).toBe("reconnecting");
    const before = api.requests.length;
    await new Promise((done) => setTimeout(done, 600));
    expect(api.requests.length - before).toBeLessThan(12);
  });

  it("tells a tab why a list was refused, and tries again by itself when the API only was away", async () => {
    emptyWorld(api);
    const tab = openTab();
    tab.store.want(collection(namespacePath("acme", "nowhere"), "apps"));
    await expect.poll(() => tab.store.list("/namespaces/acme/nowhere/apps").problem?.status).toBe(404);
    api.down = true;
    tab.store.want(APPS);
    await expect.poll(() => tab.store.list(APPS.path).problem?.code).toBe("network");
    api.down = false;
    await expect.poll(() => tab.store.list(APPS.path), { timeout: 5_000 }).toEqual({ loaded: true });
  });

  it("loads what another page of the same scope wants without dropping the watch's place", async () => {
    const shop = shopWorld(api);
    const tab = openTab();
    tab.store.want(APPS);
    await expect.poll(() => tab.store.link).toBe("live");
    tab.store.want(INSTANCES);
    const count = () => objectsOf(tab.store.scope(STORE), "Instance", "shop").length;
    await expect.poll(count).toBe(3);
    api.put(instance("shop", "web", 3, 14));
    await expect.poll(count).toBe(4);
    for (const one of shop.instances) api.remove(one);
    await expect.poll(count).toBe(1);
    await expect.poll(() => api.watchers.size, { timeout: 5_000 }).toBe(1);
  });

  it("hears what happened between a list that was read early and answered late, and the watch", async () => {
    const shop = shopWorld(api);
    const tab = openTab();
    let answer = (): void => undefined;
    const held = new Promise<void>((done) => {
      answer = done;
    });
    const early = { items: shop.instances.map((one) => api.objects.get(one.metadata.uid)), version: 10_000 };
    early.version = Math.max(...[...api.objects.values()].map((one) => one.metadata.version));
    api.on("GET", "/namespaces/acme/store/instances", async () => {
      await held;
      return early;
    });
    tab.store.want(INSTANCES);
    await expect.poll(() => api.requests.some((line) => line.includes("/instances"))).toBe(true);
    for (const one of shop.instances.slice(1)) api.remove(one);
    tab.store.want(APPS);
    await expect.poll(() => tab.store.link).toBe("live");
    answer();
    const names = () => objectsOf(tab.store.scope(STORE), "Instance", "shop").map((one) => one.metadata.name);
    await expect.poll(() => tab.store.list(INSTANCES.path).loaded).toBe(true);
    await expect.poll(names).toEqual([shop.instances[0]?.metadata.name]);
  });

  it("sends every tab to the login when the session is over, and forgets what it knew", async () => {
    shopWorld(api);
    const [first, second] = [openTab(), openTab()];
    first.store.want(APPS);
    second.store.want(APPS);
    await expect.poll(() => second.names()).toHaveLength(4);
    api.me = undefined;
    api.cut();
    await expect.poll(() => [first.said, second.said], { timeout: 5_000 }).toEqual([["signed out"], ["signed out"]]);
    expect(first.names()).toEqual([]);
  });

  it("makes other tabs start over when the person changes", async () => {
    shopWorld(api);
    const [first, second] = [openTab(), openTab()];
    first.store.want(APPS);
    second.store.want(APPS);
    await expect.poll(() => second.names()).toHaveLength(4);
    first.store.forget();
    expect(second.said).toEqual(["person changed"]);
    expect(first.said).toEqual([]);
    expect(second.names()).toEqual([]);
  });

  it("hears of a namespace's quota through its team", async () => {
    emptyWorld(api);
    const tab = openTab();
    tab.store.want(NAMESPACES);
    await expect.poll(() => tab.store.link).toBe("live");
    api.put(
      namespace(
        "later",
        { cpuMillis: 1, memoryBytes: 1, instances: 1, builds: 1 },
        { cpuMillis: 0, memoryBytes: 0, instances: 0, builds: 0 },
      ),
    );
    await expect
      .poll(() => objectsOf(tab.store.scope(teamPath("acme")), "Namespace").map((one) => one.metadata.name))
      .toEqual(["store", "later"]);
  });
});
