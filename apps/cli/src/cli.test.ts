import { describe, expect, it } from "vitest";
import { parseEvents } from "./client.ts";
import { appNameFrom } from "./commands/init.ts";
import { parseQuota } from "./commands/settings.ts";
import { age, plain, table } from "./render.ts";

describe("quota arguments", () => {
  it("take units where they make sense and refuse the rest with an example", () => {
    expect(parseQuota(["cpu=1.5", "memory=3GiB"])).toEqual({ cpuMillis: 1_500, memoryBytes: 3 * 1024 ** 3 });
    expect(() => parseQuota(["cpu=2GiB"])).toThrow(/write cpu=1.5/);
    expect(() => parseQuota(["disk=1"])).toThrow(/no quota/);
  });
});

describe("app name from a folder", () => {
  it.each([
    ["My Shop", "my-shop"],
    ["42-things", "things"],
    ["api_v2", "api-v2"],
  ])("%s becomes %s", (folder, name) => expect(appNameFrom(folder)).toBe(name));
});

describe("server-sent events", () => {
  it("come out whole however the bytes were cut", async () => {
    async function* chunks() {
      for (const part of [": hi\n\nid: 1\nda", 'ta: {"a":1}\n', "\nevent: end\ndata: \n\n"]) yield part;
    }
    const seen = [];
    for await (const event of parseEvents(chunks())) seen.push(event);
    expect(seen).toEqual([
      { event: "message", data: '{"a":1}' },
      { event: "end", data: "" },
    ]);
  });
});

describe("rendering", () => {
  it("aligns columns", () =>
    expect(
      table([
        ["a", "bb", "c"],
        ["aaa", "b", "c"],
      ]),
    ).toBe("a    bb  c\naaa  b   c"));
  it("says ages as people do", () => expect(age("2026-01-01T00:00:00Z", Date.parse("2026-01-01T02:10:00Z"))).toBe("2 h"));
  it("takes away what could drive the terminal", () => expect(plain("a\u001b[2Jb\u009bc")).toBe("a?[2Jb?c"));
});
