import { AppError } from "@plimsoll/core/errors";
import { describe, expect, it } from "vitest";
import { followEvents, OPENED, parseEvents, type ServerEvent } from "./event-stream.ts";

describe("server-sent events", () => {
  it("come out whole however the bytes were cut", async () => {
    async function* chunks() {
      for (const part of [": hi\n\nid: 1\nda", 'ta: {"a":1}\n', "\nevent: end\r\ndata: \r\n\r\ndata: never ended"]) yield part;
    }
    const seen = [];
    for await (const event of parseEvents(chunks())) seen.push(event);
    expect(seen).toEqual([
      { event: "message", data: '{"a":1}', id: "1" },
      { event: "end", data: "", id: "1" },
    ]);
  });
});

describe("a stream that is followed", () => {
  const at = (id: number): ServerEvent => ({ event: "message", data: String(id), id: String(id) });
  const quick = { pausesMs: [1], signal: new AbortController().signal };

  /** A platform that tells numbers, and breaks off as it is told to. */
  function platform(breaks: readonly (number | Error)[], last: number) {
    const asked: (string | undefined)[] = [];
    const open = async function* (lastEventId: string | undefined) {
      const broken = breaks[asked.push(lastEventId) - 1];
      if (broken instanceof Error) throw broken;
      yield OPENED;
      for (let id = Number(lastEventId ?? 0) + 1; id <= last; id++) {
        if (broken !== undefined && id > broken) return;
        yield at(id);
      }
      yield { event: "end", data: "" };
    };
    return { open, asked };
  }

  async function readAll(events: AsyncIterable<ServerEvent>): Promise<readonly string[]> {
    const seen: string[] = [];
    for await (const { event, data } of events) {
      if (event === "end") return seen;
      seen.push(data);
    }
    return seen;
  }

  it("brings each event once across broken connections and refusals that pass", async () => {
    const { open, asked } = platform([2, new AppError("unavailable", "restarting"), 2, new AppError("timeout", "host"), 4], 6);
    expect(await readAll(followEvents(open, quick))).toEqual(["1", "2", "3", "4", "5", "6"]);
    expect(asked).toEqual([undefined, "2", "2", "2", "2", "4"]);
  });

  it("ends with a refusal that will not pass", async () => {
    const { open } = platform([1, new AppError("not_found", "it is gone")], 3);
    await expect(readAll(followEvents(open, quick))).rejects.toMatchObject({ code: "not_found" });
  });

  it("takes an error that the stream tells like a refusal", async () => {
    let tries = 0;
    const open = async function* () {
      yield OPENED;
      tries++;
      yield { event: "error", data: JSON.stringify({ code: tries < 3 ? "unavailable" : "forbidden", detail: "why" }) };
    };
    await expect(readAll(followEvents(open, quick))).rejects.toMatchObject({ code: "forbidden", message: "why" });
  });

  it("gives up after its patience, and not before", async () => {
    const open = () => platform([new AppError("unavailable", "down")], 0).open(undefined);
    await expect(readAll(followEvents(open, { ...quick, patienceMs: 30 }))).rejects.toMatchObject({ message: "down" });
  });

  it("ends without a word when it is aborted", async () => {
    const abort = new AbortController();
    const open = async function* () {
      yield at(1);
      abort.abort();
      throw new AppError("unavailable", "aborted");
    };
    expect(await readAll(followEvents(open, { ...quick, signal: abort.signal }))).toEqual(["1"]);
  });
});
