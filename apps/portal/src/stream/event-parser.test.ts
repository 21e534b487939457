import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createEventParser, type ServerEvent } from "./event-parser.ts";

function parse(chunks: readonly string[]): ServerEvent[] {
  const events: ServerEvent[] = [];
  const feed = createEventParser((event) => events.push(event));
  for (const chunk of chunks) feed(chunk);
  return events;
}

describe("event parser", () => {
  it("reads ids, names and data of several lines, and drops comments", () => {
    expect(parse([": hi\n\nid: s:7\ndata: a\ndata: b\n\nevent: gone\ndata: {}\n\n"])).toEqual([
      { id: "s:7", event: "message", data: "a\nb" },
      { id: "s:7", event: "gone", data: "{}" },
    ]);
  });

  it("tells a named event that carries no data", () => {
    expect(parse(["event: end\n\n"])).toEqual([{ id: "", event: "end", data: "" }]);
  });

  it("says nothing of an event whose end has not come", () => {
    expect(parse(["data: half\n"])).toEqual([]);
  });

  it("reads the same however the bytes were cut and whichever line ends are used", () => {
    const text = "id: 1\ndata: one\n\n: ping\n\nevent: x\nid: 2\ndata:two\ndata:  three\n\nevent: end\n\n";
    const whole = parse([text]);
    expect(whole).toHaveLength(3);
    fc.assert(
      fc.property(fc.constantFrom("\n", "\r\n", "\r"), fc.array(fc.nat(text.length * 2), { maxLength: 12 }), (lineEnd, cuts) => {
        const written = text.replaceAll("\n", lineEnd);
        const at = [0, ...cuts.filter((cut) => cut < written.length).sort((a, b) => a - b), written.length];
        const chunks = at.slice(1).map((end, index) => written.slice(at[index], end));
        expect(parse(chunks)).toEqual(whole);
      }),
    );
  });
});
