import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { FAULTS } from "./faults.ts";

const BUILDER = resolve(import.meta.dirname, "../../packages/builder/src");

describe("planted faults", () => {
  it.each(FAULTS)("have their one place in the sources: $what", ({ file, find, replace }) => {
    expect(readFileSync(join(BUILDER, file), "utf8").split(find)).toHaveLength(2);
    expect(replace).not.toBe(find);
  });
});
