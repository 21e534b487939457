import ssh2 from "ssh2";
import { describe, expect, it } from "vitest";
import { newPrivateKey } from "./host-key.ts";

const isReadable = (text: string) => {
  const key = ssh2.utils.parseKey(text);
  return !(key instanceof Error) && key.isPrivateKey();
};

describe("a new host key", () => {
  it("is made again when the library made one that nobody can read", () => {
    const whole = newPrivateKey();
    const malformed = whole.replace(/\n.{40}/, `\n${"A".repeat(40)}`);
    expect(isReadable(malformed)).toBe(false);
    const made = [malformed, malformed, whole];
    expect(newPrivateKey(() => made.shift() ?? "")).toBe(whole);
  });

  it("is refused rather than kept when none can be read", () => {
    expect(() => newPrivateKey(() => "no key")).toThrow(/No readable SSH key/);
  });
});
