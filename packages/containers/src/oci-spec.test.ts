import { expect, it } from "vitest";
import { mergeEnv } from "./oci-spec.ts";

it("lays environments over each other: the last value counts, values may hold anything", () => {
  expect(mergeEnv(["PATH=/bin", "A=1"], ["A=2=3", "B="], ["=no-name", "C"])).toEqual(["PATH=/bin", "A=2=3", "B="]);
});
