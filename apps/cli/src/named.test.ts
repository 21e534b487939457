import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { findCommand } from "./parse.ts";
import { COMMANDS } from "./table.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const PLACES = ["README.md", "docs", "packages", "apps/agent/src", "apps/portal/src", "apps/server/src", "scripts"];
const SKIPPED = new Set(["node_modules", ".next", "generated"]);

/** A command where people are told to type one: in code marks, after a colon, or on a line of its own. */
const NAMED = /(?:`|: | {2}|\(|^)plim ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)/gm;

function filesBelow(path: string): readonly string[] {
  if (/\.(md|ts|tsx|mjs|json)$/.test(path)) return [path];
  if (/\.[a-z]+$/.test(path)) return [];
  return readdirSync(join(ROOT, path), { withFileTypes: true })
    .filter((entry) => !SKIPPED.has(entry.name) && (entry.isDirectory() || /\.(md|ts|tsx|mjs|json)$/.test(entry.name)))
    .flatMap((entry) => filesBelow(join(path, entry.name)));
}

describe("what the platform, the portal and the docs tell people to type", () => {
  const named = PLACES.flatMap(filesBelow).flatMap((path) =>
    [...readFileSync(join(ROOT, path), "utf8").matchAll(NAMED)].map(([, words = ""]) => ({ path, words })),
  );

  it("is found where it is", () => {
    for (const words of ["logs", "describe deployment", "quota set", "hosts add"])
      expect(
        named.some((one) => one.words === words || one.words.startsWith(`${words} `)),
        words,
      ).toBe(true);
  });

  it("are commands that plim has", () => {
    const unknown = named.filter(({ words }) => findCommand(COMMANDS, words.split(" ")) === undefined);
    expect(unknown).toEqual([]);
  });
});
