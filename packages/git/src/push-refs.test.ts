import { describe, expect, it } from "vitest";
import { parseCommit, prunablePushes } from "./push-refs.ts";

const ID = "a".repeat(40);

describe("parseCommit", () => {
  const object = (text: string, type = "commit") => `${ID} ${type} ${text.length}\n${text}\n`;

  it("gives the author and the first line of the message", () => {
    const text = `tree ${ID}\nparent ${ID}\nauthor Ana B. <ana@x.example> 1 +0000\ncommitter Bot <b@x> 2 +0000\n\nFirst line\n\nauthor Eve <e@x> 1 +0000\n`;
    expect(parseCommit(object(text))).toEqual({ author: "Ana B.", subject: "First line" });
  });

  it("does with little", () => {
    expect(parseCommit(object(`tree ${ID}\nauthor <> 1 +0000\n`))).toEqual({ author: "", subject: "" });
  });

  it("knows what is no commit", () => {
    expect(parseCommit(object("x", "blob"))).toBeUndefined();
    expect(parseCommit(`${ID} missing\n`)).toBeUndefined();
    expect(parseCommit("")).toBeUndefined();
  });
});

describe("prunablePushes", () => {
  it("are the finished ones before the newest twenty; unknown and open ones stay", () => {
    const ids = Array.from({ length: 30 }, (_, at) => `push_${String(at).padStart(2, "0")}`);
    const states = new Map(ids.map((id) => [id, "over" as "open" | "over"]));
    states.set("push_00", "open");
    states.delete("push_01");
    expect(prunablePushes(ids.toReversed(), states)).toEqual(ids.slice(2, 10));
    expect(prunablePushes(ids.slice(0, 15), states)).toEqual([]);
  });
});
