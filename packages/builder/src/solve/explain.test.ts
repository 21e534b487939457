import { describe, expect, it } from "vitest";
import { explainStep } from "./explain.ts";

const STEP = { index: 1, label: "RUN true", at: { file: "Dockerfile", line: 2 } };
const LIMITS = { cpuMillis: 1_000, memoryBytes: 1024 ** 3, pids: 100, timeoutMs: 60_000, logBytes: 1_000_000 };

describe("a step that failed for a reason of the platform's", () => {
  it("shows the pusher where, and the operator why", () => {
    const forOperator = "crun: cannot open /sys/fs/cgroup/x\n  at runSandbox";
    const problem = explainStep(STEP, { reason: "internal", message: "the step could not be executed", forOperator }, LIMITS);
    expect(JSON.stringify(problem.failure)).not.toContain("crun");
    expect(problem.failure).toMatchObject({ reason: "internal", file: "Dockerfile", line: 2 });
    expect(problem.cause).toMatchObject({ message: forOperator });
    // The build's own fault has no such part.
    expect(explainStep(STEP, { reason: "command", message: "exit code 1", exitCode: 1 }, LIMITS).cause).toBeUndefined();
  });
});
