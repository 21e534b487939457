import { describe, expect, it } from "vitest";
import { Gate } from "./gate.ts";

/** Work that lasts until it is told to end. */
function held() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { work: () => promise, end: resolve };
}

describe("the gate between pushes and a sweep", () => {
  it("lets many pass together, and one alone only when they have left", async () => {
    const gate = new Gate();
    const [one, other] = [held(), held()];
    const inside = [gate.shared(one.work), gate.shared(other.work)];
    let swept = false;
    const sweep = gate.alone(async () => {
      swept = true;
      return "swept";
    }, 60_000);
    one.end();
    await inside[0];
    expect(swept).toBe(false);
    other.end();
    expect(await sweep).toBe("swept");
  });

  it("holds newcomers up while one is alone, and lets them pass after", async () => {
    const gate = new Gate();
    const alone = held();
    const order: string[] = [];
    const sweep = gate.alone(async () => {
      await alone.work();
      order.push("alone");
    }, 60_000);
    const newcomer = gate.shared(async () => void order.push("shared"));
    alone.end();
    await Promise.all([sweep, newcomer]);
    expect(order).toEqual(["alone", "shared"]);
  });

  it("gives up on being alone when somebody stays, and holds nobody up for longer", async () => {
    const gate = new Gate();
    const slow = held();
    const inside = gate.shared(slow.work);
    const sweep = gate.alone(async () => "swept", 1);
    const newcomer = gate.shared(async () => "passed");
    expect(await sweep).toBeUndefined();
    expect(await newcomer).toBe("passed");
    slow.end();
    await inside;
    expect(await gate.alone(async () => "swept", 1)).toBe("swept");
  });

  it("is open again after work that failed", async () => {
    const gate = new Gate();
    const failing = () => Promise.reject(new Error("on purpose"));
    await expect(gate.shared(failing)).rejects.toThrow("on purpose");
    await expect(gate.alone(failing, 1)).rejects.toThrow("on purpose");
    expect(await gate.shared(async () => "passed")).toBe("passed");
  });
});
