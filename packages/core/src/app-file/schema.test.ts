import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { appFileJsonSchema } from "./schema.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");

describe("the published schema of plimsoll.yaml", () => {
  it("is what the platform checks by; written anew with: node scripts/app-file-schema.ts", async () => {
    const published = JSON.parse(await readFile(join(ROOT, "docs/reference/plimsoll.schema.json"), "utf8")) as unknown;
    expect(published).toEqual(JSON.parse(JSON.stringify(appFileJsonSchema())));
  });
});
