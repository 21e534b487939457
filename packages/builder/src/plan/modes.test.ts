import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BuildProblem } from "../problem.ts";
import { applySymbolicMode, readMode } from "./modes.ts";

const AT = { file: "Dockerfile", line: 1 };

describe("readMode", () => {
  it.each([
    ["755", 0o755],
    ["0644", 0o644],
    ["7777", 0o7777],
    ["0", 0],
    ["u=rwX,go=rX", "u=rwX,go=rX"],
    ["+x", "+x"],
    ["a-w+r", "a-w+r"],
    ["g=u", "g=u"],
  ])("reads %s", (text, mode) => {
    expect(readMode(text, AT)).toBe(mode);
  });

  it.each(["10000", "888", "0o755", "rwx", "u", "u=rwx,", ",", "u=q", "755,u+x", "-", ""].filter((text) => text !== "-"))(
    "refuses %j with what to write",
    (text) => {
      expect(() => readMode(text, AT)).toThrow(BuildProblem);
      expect(() => readMode(text, AT)).toThrow(/octal digits/);
    },
  );
});

describe("applySymbolicMode", () => {
  it.each([
    ["u=rwX,go=rX", 0o600, false, 0o644],
    ["u=rwX,go=rX", 0o700, false, 0o755],
    ["u=rwX,go=rX", 0o700, true, 0o755],
    ["u=rwX,go=rX", 0o600, true, 0o755],
    ["+x", 0o644, false, 0o755],
    ["a+x", 0o600, false, 0o711],
    ["-w", 0o666, false, 0o444],
    ["go-rwx", 0o777, false, 0o700],
    ["g=u", 0o640, false, 0o660],
    ["o=g", 0o754, false, 0o755],
    ["u+s", 0o755, false, 0o4755],
    ["g+s", 0o755, true, 0o2755],
    ["o+s", 0o755, false, 0o755],
    ["+t", 0o777, true, 0o1777],
    ["u-s", 0o4755, false, 0o755],
    ["u+x,g+w", 0o644, false, 0o764],
    ["u=r+x", 0o644, false, 0o544],
    ["=", 0o755, false, 0],
    ["a=r", 0o1777, true, 0o1444],
    ["-X", 0o755, false, 0o644],
    ["+X", 0o644, false, 0o644],
    ["+X", 0o654, false, 0o755],
  ])("%s on %o", (symbolic, mode, isDirectory, expected) => {
    expect(applySymbolicMode(symbolic, mode, isDirectory).toString(8)).toBe(expected.toString(8));
  });

  it("gives bits for every mode that is read", () => {
    const clause = fc.stringMatching(/^[ugoa]{0,2}[-+=][rwxXstugo]{0,4}$/);
    fc.assert(
      fc.property(fc.array(clause, { minLength: 1, maxLength: 3 }), fc.nat(0o7777), fc.boolean(), (clauses, mode, isDirectory) => {
        const text = clauses.join(",");
        expect(readMode(text, AT)).toBe(text);
        const bits = applySymbolicMode(text, mode, isDirectory);
        expect(bits).toBeGreaterThanOrEqual(0);
        expect(bits).toBeLessThanOrEqual(0o7777);
      }),
    );
  });
});
