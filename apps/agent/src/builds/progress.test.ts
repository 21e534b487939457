import type { BuildProgress } from "@plimsoll/contracts";
import { describe, expect, it } from "vitest";
import { ProgressSender } from "./progress.ts";

const log = (text: string) => ({ type: "step-log", atMs: 0, step: 1, stream: "stdout", text }) as const;

describe("ProgressSender", () => {
  it("gathers output, keeps the order and loses nothing when the server fails for a while", async () => {
    const received: BuildProgress[] = [];
    let failures = 1;
    const sender = new ProgressSender({
      send: async (entries) => {
        if (failures-- > 0) throw new Error("unreachable");
        received.push(...entries);
      },
      isLost: () => false,
      onLost: () => undefined,
    });
    sender.add({ type: "step-started", atMs: 0, step: 1 });
    sender.add(log("a\n"));
    sender.add(log("b\n"));
    sender.add({ type: "notice", atMs: 1, text: "n" });
    await expect.poll(() => received.length).toBe(3);
    expect(await sender.close()).toEqual([]);
    expect(received.map(({ seq, event }) => [seq, event.type, "text" in event ? event.text : ""])).toEqual([
      [0, "step-started", ""],
      [1, "step-log", "a\nb\n"],
      [2, "notice", "n"],
    ]);
  });

  it("stops once the lease is lost", async () => {
    let lost = 0;
    const sender = new ProgressSender({
      send: () => Promise.reject(new Error("lost")),
      isLost: () => true,
      onLost: () => lost++,
    });
    sender.add(log("a"));
    await expect.poll(() => lost).toBe(1);
    sender.add(log("b"));
    expect(await sender.close()).toEqual([]);
  });

  it("leaves the last words to go with the result, without waiting for company", async () => {
    const received: BuildProgress[] = [];
    const sender = new ProgressSender({
      send: async (entries) => void received.push(...entries),
      isLost: () => false,
      onLost: () => undefined,
    });
    sender.add({ type: "notice", atMs: 1, text: "first" });
    sender.add({ type: "notice", atMs: 2, text: "last" });
    const begin = performance.now();
    expect((await sender.close()).map(({ seq }) => seq)).toEqual([0, 1]);
    expect(performance.now() - begin).toBeLessThan(30);
    expect(received).toEqual([]);
  });

  it("waits for what is being sent, and tells it once", async () => {
    const received: BuildProgress[] = [];
    const [leave, arrive] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const sender = new ProgressSender({
      send: async (entries) => {
        leave.resolve();
        await arrive.promise;
        received.push(...entries);
      },
      isLost: () => false,
      onLost: () => undefined,
    });
    let sent = false;
    sender.add(log("on its way"));
    await leave.promise;
    const closing = sender.close().then((rest) => {
      sent = true;
      return rest;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(sent).toBe(false);
    arrive.resolve();
    expect(await closing).toEqual([]);
    expect(received.map(({ seq }) => seq)).toEqual([0]);
  });

  it("delivers by itself what is too much to go with the result", async () => {
    const received: BuildProgress[] = [];
    const sender = new ProgressSender({
      send: async (entries) => void received.push(...entries),
      isLost: () => false,
      onLost: () => undefined,
    });
    sender.add(log("x".repeat(1_000_000)));
    expect(await sender.close()).toEqual([]);
    expect(received.map(({ seq }) => seq)).toEqual([0]);
  });
});
