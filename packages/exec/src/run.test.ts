import { describe, expect, it } from "vitest";
import { run } from "./index.ts";

describe("run", () => {
  it("passes arguments as they are, never through a shell", async () => {
    const output = await run(["printf", "%s", "$(id); `id` && x"]);
    expect(output.stdout).toBe("$(id); `id` && x");
  });

  it("hands over standard input", async () => {
    expect((await run(["cat"], { stdin: "hello" })).stdout).toBe("hello");
  });

  it("names the program, its exit code and its last words when it fails", async () => {
    await expect(run(["ls", "/does-not-exist"])).rejects.toThrow(/ls \/does-not-exist exited with 2: .*No such file/s);
  });

  it("kills a program that takes too long", async () => {
    await expect(run(["sleep", "10"], { timeoutMs: 50 })).rejects.toMatchObject({ code: "timeout" });
  });

  it("gives the program none of our environment", async () => {
    process.env.PLIMSOLL_TEST_SECRET = "canary";
    expect((await run(["env"])).stdout).not.toContain("canary");
  });
});
