import fc from "fast-check";
import { expect, it } from "vitest";
import { csvFields } from "./csv.ts";

it.each([
  ["a,b=c", ["a", "b=c"]],
  ["a", ["a"]],
  ["", [""]],
  ["a,", ["a", ""]],
  ['"a,b",c', ["a,b", "c"]],
  ['"say ""x""",c', ['say "x"', "c"]],
  ['"",x', ["", "x"]],
  ['"a,b', undefined],
  ['"a"b,c', undefined],
  ['a"b"', undefined],
])("splits %j", (text, fields) => {
  expect(csvFields(text)).toEqual(fields);
});

it("reads back what was quoted", () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 4 }), (fields) => {
      expect(csvFields(fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(","))).toEqual(fields);
    }),
  );
});
