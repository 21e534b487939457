import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createProgress } from "../bootstrap/progress.mjs";
import { BaseImagesSeen } from "./base-images-seen.ts";
import { openLog, rotateLog } from "./log-file.ts";
import { table } from "./table.ts";

describe("rotateLog", () => {
  it("keeps three old logs, and what holds the log open goes on at the new start", () => {
    const directory = mkdtempSync(join(tmpdir(), "plimsoll-log-"));
    const path = join(directory, "server.log");
    const writer = openLog(path);
    for (const round of [1, 2, 3, 4, 5]) {
      writeSync(writer, `round ${round}\n`);
      expect(rotateLog(path, 100)).toBe("unchanged");
      writeSync(writer, "x".repeat(100));
      expect(rotateLog(path, 100)).toBe("rotated");
    }
    writeSync(writer, "after\n");
    expect(readdirSync(directory).sort()).toEqual(["server.log", "server.log.1", "server.log.2", "server.log.3"]);
    expect(readFileSync(path, "utf8")).toBe("after\n");
    expect(readFileSync(`${path}.1`, "utf8")).toContain("round 5\n");
    expect(readFileSync(`${path}.3`, "utf8")).toContain("round 3\n");
    appendFileSync(path, "");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    rmSync(directory, { recursive: true });
  });
});

describe("the list of a start", () => {
  const record = (isTTY: boolean) => {
    const written: string[] = [];
    return { written, out: { isTTY, columns: 100, write: (text: string) => written.push(text) } };
  };

  it("has one plain line a step where there is no terminal", async () => {
    const { written, out } = record(false);
    const progress = createProgress(out);
    progress.done("checked", "root");
    expect(await progress.step("queue", "Redis", async () => ({ said: "Redis 7", value: 5 }))).toBe(5);
    await expect(
      progress.step("host", "this-host: joining", async () => {
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    expect(written.map((line) => line.replaceAll(/ +/g, " "))).toEqual([
      " ✔ checked root\n",
      " ✔ queue Redis 7 0 s\n",
      " ✖ host this-host: joining 0 s\n",
    ]);
  });

  it("turns a spinner on a terminal, with the newest text, and leaves the result only", async () => {
    const { written, out } = record(true);
    await createProgress(out).step("sample app", "git push", async ({ update }) => {
      await pause(130);
      update("building");
      await pause(130);
      return { said: "live", value: undefined };
    });
    expect(written.some((text) => text.includes("git push"))).toBe(true);
    expect(written.some((text) => text.includes("building"))).toBe(true);
    expect(written.at(-2)).toBe("\r\x1b[K");
    expect(written.at(-1)).toMatch(/✔ sample app +live/);
  });
});

describe("table", () => {
  it("aligns columns and ends no line with blanks", () => {
    expect(
      table(
        ["NAME", "STATE"],
        [
          ["postgres", "running"],
          ["x", ""],
        ],
      ),
    ).toBe("  NAME       STATE\n  postgres   running\n  x");
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}

describe("the images that the sample app's build starts from", () => {
  it("are known when its first other step has ended, with those that were made here", async () => {
    const seen = new BaseImagesSeen();
    let settled = false;
    void seen.settled.then(() => {
      settled = true;
    });
    for (const line of [
      "Build   Dockerfile, target runtime",
      "substituted node:22 with an image made here",
      "├─ build   FROM node:22   31.2 s",
    ])
      seen.see(line);
    await Promise.resolve();
    expect(settled).toBe(false);
    seen.see("│          WORKDIR /app     0.0 s");
    await seen.settled;
    expect(seen.summary()).toBe("node:22 (made here: its registry is not reachable)");
  });

  it("are none when the push ended without", async () => {
    const seen = new BaseImagesSeen();
    seen.end();
    await seen.settled;
    expect(seen.summary()).toBe("none needed");
  });
});
