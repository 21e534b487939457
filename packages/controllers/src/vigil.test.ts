import { expect, it } from "vitest";
import { Vigil } from "./vigil.ts";

it("begins anew after a time in which it could not look", async () => {
  let nowMs = 0;
  let answers = true;
  const seen: string[] = [];
  const vigil = new Vigil({
    clock: { now: () => new Date(nowMs) },
    look: async () => {
      if (!answers) throw new Error("no database");
      return ["host-a"];
    },
    onOutOfStep: (uids) => seen.push(...uids),
  });
  for (nowMs = 1_000; nowMs <= 60_000; nowMs += 1_000) await vigil.look();
  expect(vigil.sinceMs).toBe(0);
  expect(seen).toHaveLength(60);
  answers = false;
  for (; nowMs <= 90_000; nowMs += 1_000) await vigil.look();
  answers = true;
  await vigil.look();
  expect(vigil.sinceMs).toBe(91_000);
});
