import { describe, expect, it } from "vitest";
import { hashPassword, verifyPassword } from "./passwords.ts";

describe("passwords", () => {
  it("are hashed with Argon2id at OWASP's parameters, each with its own salt", async () => {
    const [a, b] = [await hashPassword("correct horse"), await hashPassword("correct horse")];
    expect(a).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
    expect(a).not.toBe(b);
  });

  for (const algorithm of ["argon2id", "scrypt"])
    it(`are verified when hashed with ${algorithm}`, async () => {
      const hash = await hashPassword("pässword", algorithm);
      expect(hash.startsWith(`$${algorithm}$`)).toBe(true);
      expect(await verifyPassword("pässword", hash)).toBe(true);
      // The same letters in another Unicode form, as another keyboard sends them.
      expect(await verifyPassword("pa\u0308ssword", hash)).toBe(true);
      expect(await verifyPassword("password", hash)).toBe(false);
    });

  it("never fit an account that is not there, or that nobody can log in to", async () => {
    expect(await verifyPassword("", undefined)).toBe(false);
    expect(await verifyPassword("", "")).toBe(false);
    expect(await verifyPassword("x", "$unknown$")).toBe(false);
  });
});
