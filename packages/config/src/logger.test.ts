import { describe, expect, it } from "vitest";
import { createLogger } from "./index.ts";

describe("logger", () => {
  it("keeps secrets out, also one level down", () => {
    const lines: string[] = [];
    const log = createLogger("test", { write: (line) => lines.push(line) });
    log.info("enrolled", { credential: "canary-1", request: { password: "canary-2" }, host: "a" });
    expect(lines.join("")).not.toMatch(/canary/);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ msg: "enrolled", host: "a", name: "test" });
  });
});
