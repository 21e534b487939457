import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Concealed } from "./concealed.ts";

const shown = (secrets: readonly string[], pieces: readonly string[]) => {
  const concealed = new Concealed(secrets.map((text) => Buffer.from(text)));
  return Buffer.concat([...pieces.map((piece) => concealed.add(Buffer.from(piece))), concealed.end()]).toString();
};

describe("Concealed", () => {
  it("shows *** in the place of a secret, its lines and its trimmed text, the longest first", () => {
    expect(shown(["hunter22\n"], ["it is hunter22, and hunter22"])).toBe("it is ***, and ***");
    expect(shown(["abcd", "abcdef"], ["abcdef abcd"])).toBe("*** ***");
    expect(shown(["-----BEGIN KEY-----\nMIIEow\n-----END KEY-----\n"], ["MIIEow\n"])).toBe("***\n");
    expect(shown(["abc"], ["abc"])).toBe("abc");
    expect(shown([], ["as it is"])).toBe("as it is");
  });

  it("never shows a secret that comes in pieces, and loses nothing else", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("s3cr", "et!", "s3", "cret!", "x", "s3cret!", "\n"), { maxLength: 30 }), (pieces) => {
        const text = shown(["s3cret!"], pieces);
        expect(text).toBe(pieces.join("").replaceAll("s3cret!", "***"));
      }),
    );
    // Without what is kept back, pieces pass.
    const piecewise = ["s3cr", "et!"].map((piece) => shown(["s3cret!"], [piece])).join("");
    expect(piecewise).toBe("s3cret!");
  });
});
