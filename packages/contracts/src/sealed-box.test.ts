import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { openBox, sealBox } from "./index.ts";

function hostKey() {
  const pair = generateKeyPairSync("x25519");
  return {
    publicKey: pair.publicKey.export({ format: "der", type: "spki" }).subarray(12).toString("base64"),
    privateKey: pair.privateKey.export({ format: "der", type: "pkcs8" }).toString("base64"),
  };
}

describe("sealed box", () => {
  it("is read by the holder of the key and by nobody else", () => {
    const [mine, other] = [hostKey(), hostKey()];
    const box = sealBox("s3cret ü", mine.publicKey);
    expect(openBox(box, mine.privateKey)).toBe("s3cret ü");
    expect(() => openBox(box, other.privateKey)).toThrow(/not made for this host/);
  });

  it("does not open once a bit was changed", () => {
    const mine = hostKey();
    const bytes = Buffer.from(sealBox("s3cret", mine.publicKey), "base64");
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    expect(() => openBox(bytes.toString("base64"), mine.privateKey)).toThrow();
  });
});
