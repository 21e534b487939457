import { describe, expect, it } from "vitest";
import { negotiation } from "./mirror.ts";

describe("negotiation", () => {
  it("asks for one commit and names what is there, in one round", () => {
    const [want, have] = ["a".repeat(40), "b".repeat(40)];
    expect(negotiation(want, [have]).toString()).toBe(
      `0057want ${want} ofs-delta no-progress agent=plimsoll\n00000032have ${have}\n0009done\n`,
    );
  });
});
