import { start } from "@plimsoll/exec";
import { expect, it } from "vitest";
import { identifyProcess, isAlive, signalProcess, waitGone } from "./process-identity.ts";

it("knows a process by pid and start time, and never signals another one with its pid", async () => {
  const child = await start(["sleep", "30"]);
  const identity = identifyProcess(child.pid);
  if (identity === undefined) throw new Error("not found");
  const former = { pid: identity.pid, startTicks: identity.startTicks - 1 };
  expect(isAlive(former)).toBe(false);
  expect(signalProcess(former, "SIGKILL")).toBe(false);
  expect(isAlive(identity)).toBe(true);
  expect(await waitGone(identity, 20)).toBe(false);
  expect(signalProcess(identity, "SIGKILL")).toBe(true);
  expect(await waitGone(identity, 2_000)).toBe(true);
  expect(signalProcess(identity, "SIGKILL")).toBe(false);
});
