import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { run } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkLayers } from "./check.ts";

const HEALTHY: Readonly<Record<string, string>> = {
  "packages/core/src/index.ts": 'export { id } from "./ids.ts";',
  "packages/core/src/ids.ts": "export const id = 1;",
  "packages/exec/src/index.ts": 'import { spawn } from "node:child_process"; import { id } from "@plimsoll/core"; export { spawn, id };',
  "packages/db/src/index.ts": 'import pg from "pg"; import { PrismaClient } from "@prisma/client"; export { pg, PrismaClient };',
  "packages/db/src/index.host.test.ts": 'import { startTestPostgres } from "@plimsoll/testkit"; startTestPostgres();',
  "packages/testkit/src/index.ts": 'import pg from "pg"; import { Redis } from "ioredis"; export { pg, Redis };',
  "packages/queue/src/index.ts": 'import { Queue } from "bullmq"; export { Queue };',
  "packages/queue/src/testing/index.ts": "export const fake = 1;",
  "packages/host/src/index.ts": 'import { spawn } from "@plimsoll/exec"; export { spawn };',
  "packages/builder/src/index.ts": 'import { spawn } from "@plimsoll/host"; export { spawn };',
  "packages/git/src/index.ts": 'import { Server } from "ssh2"; export { Server };',
  "apps/agent/src/main.ts": 'import { spawn } from "@plimsoll/builder"; spawn();',
  "apps/portal/src/page.tsx": 'import { id } from "#model"; export const Page = () => <p>{id}</p>;',
  "apps/portal/src/model.ts": 'export { id } from "@plimsoll/core";',
};

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "plimsoll-layers-"));
  for (const [path, text] of Object.entries(HEALTHY)) plant(path, text);
  for (const name of ["core", "exec", "db", "testkit", "queue", "host", "builder", "git"]) {
    plant(`packages/${name}/package.json`, JSON.stringify({ exports: { ".": "./src/index.ts", "./testing": "./src/testing/index.ts" } }));
  }
});

afterEach(() => rmSync(root, { recursive: true }));

describe("checkLayers", () => {
  it("finds nothing in a tree that keeps the layers", () => {
    expect(checkLayers(root)).toEqual({ files: Object.keys(HEALTHY).length, violations: [] });
  });

  const planted: readonly (readonly [string, string, string, string])[] = [
    ["an import upwards", "packages/core/src/x.ts", 'import "@plimsoll/exec";', "core must not import exec"],
    ["a type imported upwards", "packages/core/src/x.ts", 'import type { X } from "@plimsoll/host";', "core must not import host"],
    ["an upward re-export", "packages/exec/src/x.ts", 'export * from "@plimsoll/host";', "exec must not import host"],
    ["an upward dynamic import", "packages/host/src/x.ts", 'await import("@plimsoll/builder");', "host must not import builder"],
    [
      "an upward type by import()",
      "packages/host/src/x.ts",
      'export type X = import("@plimsoll/builder").X;',
      "host must not import builder",
    ],
    ["an agent that reads the database", "apps/agent/src/x.ts", 'import "@plimsoll/db";', "apps/agent must not import db"],
    ["a portal that reads the database", "apps/portal/src/x.tsx", 'import "@plimsoll/db";', "apps/portal must not import db"],
    ["a package without a layer", "packages/misc/src/x.ts", 'import "@plimsoll/core";', "misc has no layer yet"],
    ["a program started elsewhere", "packages/host/src/x.ts", 'import { exec } from "node:child_process";', "is for exec alone"],
    ["the same without node:", "packages/git/src/x.cjs", 'require("child_process");', "is for exec alone"],
    ["the same as a builtin", "packages/git/src/x.ts", 'process.getBuiltinModule("child_process");', "is for exec alone"],
    ["a database client elsewhere", "packages/git/src/x.ts", 'import pg from "pg";', "is for db and testkit alone"],
    ["Prisma elsewhere", "apps/server/src/x.ts", 'import "@prisma/client/runtime/client";', "is for db and testkit alone"],
    ["BullMQ elsewhere", "apps/agent/src/x.ts", 'import { Worker } from "bullmq";', "is for queue and testkit alone"],
    ["a Redis client elsewhere", "packages/git/src/x.ts", 'import { Redis } from "ioredis";', "is for queue and testkit alone"],
    ["SSH elsewhere", "apps/server/src/x.ts", 'import ssh2 from "ssh2";', "is for git alone"],
    ["system calls elsewhere", "packages/builder/src/x.ts", 'import koffi from "koffi";', "is for host alone"],
    ["an import past the front", "packages/host/src/x.ts", 'import "@plimsoll/exec/src/index.ts";', "reaches past the front of exec"],
    ["an import out of the package", "packages/host/src/x.ts", 'import "../../exec/src/index.ts";', "leaves the package"],
    ["testkit in production code", "packages/db/src/x.ts", 'import "@plimsoll/testkit";', "testkit is for tests"],
    ["a testing front in production code", "packages/git/src/x.ts", 'import "@plimsoll/queue/testing";', "is for tests"],
    ["an own testing file in production code", "packages/queue/src/x.ts", 'import "./testing/index.ts";', "is code for tests"],
    ["a file that it cannot read", "packages/core/src/x.ts", "import {", "nobody knows what it imports"],
  ];
  for (const [what, path, text, message] of planted) {
    it(`fails on ${what}`, () => {
      plant(path, text);
      expect(checkLayers(root).violations.map((violation) => `${violation.path} ${violation.message}`)).toEqual([
        expect.stringContaining(`${path} `),
      ]);
      expect(checkLayers(root).violations[0]?.message).toContain(message);
    });
  }

  it("fails on a cycle of files, by types and own paths too", () => {
    plant("apps/portal/src/model.ts", 'import type { Page } from "./page.tsx"; export type X = typeof Page; export const id = 1;');
    expect(checkLayers(root).violations.map(({ message }) => message)).toEqual([
      "import cycle: apps/portal/src/model.ts → apps/portal/src/page.tsx → apps/portal/src/model.ts",
    ]);
  });

  it("makes the command fail, naming file, line and reason", async () => {
    const command = [process.execPath, join(import.meta.dirname, "../check-layers.ts"), root];
    expect((await run(command)).stdout).toContain("all as they should be");
    plant("packages/core/src/x.ts", '\nimport "@plimsoll/exec";');
    await expect(run(command)).rejects.toThrow(/packages\/core\/src\/x\.ts:2 core must not import exec/);
  });
});

function plant(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
