import { createLogger } from "@plimsoll/config";
import { AppError } from "@plimsoll/core";
import { afterEach, describe, expect, it } from "vitest";
import {
  backoffMs,
  type Controller,
  type ControllerOptions,
  createController,
  DONE,
  type Lease,
  type LeaseStore,
  requeueAfter,
} from "./index.ts";

const log = createLogger("test", { write: () => undefined });
const quick = { firstMs: 5, mostMs: 20 };

/** Leases as packages/db keeps them, in this process: several controllers may share one. */
class Leases implements LeaseStore {
  readonly #leases = new Map<string, Lease & { expiresAt: number }>();

  async acquire(key: string, holder: string, ttlMs: number) {
    const now = performance.now();
    const held = this.#leases.get(key);
    if (held !== undefined && held.holder !== holder && held.expiresAt > now) return undefined;
    const same = held !== undefined && held.holder === holder && held.expiresAt > now;
    const lease = { key, holder, epoch: (held?.epoch ?? 0) + (same ? 0 : 1), expiresAt: now + ttlMs };
    this.#leases.set(key, lease);
    return lease;
  }
  async renew(lease: Lease, ttlMs: number) {
    const held = this.#leases.get(lease.key);
    if (held === undefined || held.epoch !== lease.epoch || held.expiresAt <= performance.now()) return false;
    held.expiresAt = performance.now() + ttlMs;
    return true;
  }
  async release(lease: Lease) {
    const held = this.#leases.get(lease.key);
    if (held?.epoch === lease.epoch) held.expiresAt = 0;
  }
  /** Another holder takes it by force, as when it had expired. */
  steal(key: string) {
    const held = this.#leases.get(key);
    if (held) this.#leases.set(key, { ...held, holder: "thief", epoch: held.epoch + 1, expiresAt: performance.now() + 30 });
  }
}

describe("controller", () => {
  const started: Controller<string>[] = [];
  afterEach(async () => void (await Promise.all(started.splice(0).map((one) => one.stop()))));

  function control(
    reconcile: ControllerOptions<string>["reconciler"]["reconcile"],
    options: Partial<ControllerOptions<string>> = {},
  ): Controller<string> {
    const one = createController({
      name: "test",
      reconciler: { reconcile },
      leases: new Leases(),
      holder: `process-${started.length}`,
      list: async () => [],
      log,
      backoff: quick,
      ...options,
    });
    started.push(one);
    one.start();
    return one;
  }

  it("runs a woken key once, and once more for wakes that come while it runs", async () => {
    let runs = 0;
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const one = control(async () => {
      if (++runs === 1) await held;
      return DONE;
    });
    for (let i = 0; i < 5; i++) one.wake("a");
    await expect.poll(() => runs).toBe(1);
    for (let i = 0; i < 5; i++) one.wake("a");
    await pause(20);
    expect(runs).toBe(1);
    release();
    await expect.poll(() => runs).toBe(2);
    await pause(20);
    expect(runs).toBe(2);
    expect(one.metrics).toMatchObject({ wakes: 10, done: 2, running: 0, waiting: 0 });
  });

  it("never runs one key twice at the same time, in however many processes, and loses no wake", async () => {
    const leases = new Leases();
    const inside = new Map<string, number>();
    const seen = new Map<string, number>();
    const state = new Map<string, number>();
    let most = 0;
    const processes = [0, 1, 2].map(() =>
      control(
        async (key) => {
          inside.set(key, (inside.get(key) ?? 0) + 1);
          most = Math.max(most, inside.get(key) ?? 0);
          const observed = state.get(key) ?? 0;
          await pause(1);
          seen.set(key, Math.max(seen.get(key) ?? 0, observed));
          inside.set(key, (inside.get(key) ?? 0) - 1);
          return DONE;
        },
        { leases },
      ),
    );
    for (let i = 1; i <= 100; i++) {
      const key = `key-${i % 4}`;
      state.set(key, i);
      processes[i % 3]?.wake(key);
      if (i % 5 === 0) await pause(1);
    }
    // The state at the last wake of each key was seen by a run that began after it.
    await expect.poll(() => [...seen.entries()].sort(), { timeout: 5_000 }).toEqual([...state.entries()].sort());
    expect(most).toBe(1);
  });

  it("control: without a lease two processes do run one key at the same time", async () => {
    let inside = 0;
    let most = 0;
    const nothing: LeaseStore = {
      acquire: async (key, holder) => ({ key, holder, epoch: 1 }),
      renew: async () => true,
      release: async () => undefined,
    };
    const processes = [0, 1].map(() =>
      control(
        async () => {
          most = Math.max(most, ++inside);
          await pause(10);
          inside--;
          return DONE;
        },
        { leases: nothing },
      ),
    );
    for (const one of processes) one.wake("a");
    await expect.poll(() => most).toBe(2);
  });

  it("tries again with growing pauses, after the time an error names, and at once when another writer was first", async () => {
    const times: Record<string, number[]> = { backoff: [], after: [], conflict: [] };
    const one = control(async (key) => {
      const runs = times[key] ?? [];
      runs.push(performance.now());
      if (runs.length > 3) return DONE;
      if (key === "backoff") throw new Error("something else");
      if (key === "after") throw new AppError("unavailable", "later", { retry: { afterMs: 40 } });
      throw new AppError("conflict", "moved");
    });
    for (const key of Object.keys(times)) one.wake(key);
    await expect.poll(() => Object.values(times).map((runs) => runs.length), { timeout: 3_000 }).toEqual([4, 4, 4]);
    const gaps = (times.after ?? []).slice(1).map((time, i) => time - (times.after?.[i] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(38);
    expect(one.metrics).toMatchObject({ failed: 6, conflicts: 3, done: 3 });
  });

  it("parks what must not be retried, says so, and frees it when it is woken", async () => {
    const parked: (string | undefined)[] = [];
    let runs = 0;
    let broken = true;
    const one = control(
      async () => {
        runs++;
        if (broken) throw new AppError("invalid", "the image is missing");
        return DONE;
      },
      { list: async () => ["a"], resyncMs: 40, onParked: (_, error) => parked.push(error?.message) },
    );
    await expect.poll(() => parked).toEqual(["the image is missing"]);
    await pause(50);
    expect(runs).toBe(1);
    expect(one.metrics.parkedNow).toBe(1);
    broken = false;
    one.wake("a");
    await expect.poll(() => runs).toBeGreaterThan(1);
    await expect.poll(() => one.metrics.parkedNow).toBe(0);
  });

  it("comes back after the time the reconciler asked for, sooner when woken", async () => {
    let runs = 0;
    const one = control(async () => (++runs === 1 ? requeueAfter(30) : runs === 2 ? requeueAfter(60_000) : DONE));
    one.wake("a");
    await expect.poll(() => runs).toBe(2);
    one.wake("a");
    await expect.poll(() => runs).toBe(3);
    expect(one.metrics).toMatchObject({ requeued: 2, done: 1 });
  });

  it("reaches every key without any wake, urgent ones first", async () => {
    const order: string[] = [];
    const keys = Array.from({ length: 20 }, (_, i) => `listed-${i}`);
    const one = control(
      async (key) => {
        if (order.push(key) === 4) one.wake("urgent");
        await pause(2);
        return DONE;
      },
      { list: async () => keys, resyncMs: 60, concurrency: 2 },
    );
    await expect.poll(() => order.length).toBeGreaterThan(40);
    expect(order.indexOf("urgent")).toBeLessThan(8);
    expect(new Set(order).size).toBe(21);
  });

  it("tells a reconcile that lost its lease, and lets the next one run", async () => {
    const leases = new Leases();
    const epochs: number[] = [];
    let aborted = false;
    const one = control(
      async (_, { fence, signal }) => {
        epochs.push(fence.epoch);
        if (epochs.length > 1) return DONE;
        leases.steal(fence.key);
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        aborted = true;
        throw new AppError("stale_lease", "stops");
      },
      { leases, leaseMs: 30 },
    );
    one.wake("a");
    await expect.poll(() => epochs, { timeout: 3_000 }).toEqual([1, 3]);
    expect(aborted).toBe(true);
    expect(one.metrics).toMatchObject({ stale: 1, failed: 0 });
  });

  it("stops without starting anything new, and gives the leases back", async () => {
    const leases = new Leases();
    let runs = 0;
    const one = control(
      async () => {
        runs++;
        await pause(30);
        return requeueAfter(1);
      },
      { leases, concurrency: 1 },
    );
    one.wake("a");
    one.wake("b");
    await expect.poll(() => runs).toBe(1);
    await one.stop();
    one.wake("c");
    await pause(50);
    expect(runs).toBe(1);
    expect(await leases.acquire("control/test/a", "another", 10)).toBeDefined();
  });
});

it("keeps pauses inside their bounds, with jitter in the upper half", () => {
  const backoff = { firstMs: 100, mostMs: 1_000 };
  expect([1, 2, 3, 4, 5, 1_000].map((n) => backoffMs(backoff, n, () => 0))).toEqual([50, 100, 200, 400, 500, 500]);
  expect([1, 2, 3, 4, 5, 1_000].map((n) => backoffMs(backoff, n, () => 1))).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
