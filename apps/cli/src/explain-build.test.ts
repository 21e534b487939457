import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { minimalEnv, run } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const PLIM = join(import.meta.dirname, "main.ts");
const env = { ...minimalEnv, HOME: "/nonexistent", GIT_CONFIG_NOSYSTEM: "1" };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "plimsoll-explain-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

const plim = (...words: string[]) =>
  run([process.execPath, PLIM, "build", ...words], { cwd: folder, env, okCodes: [0, 1, 2], timeoutMs: 60_000 });
const SITE = { "index.html": "<p>hello" };

describe("plim build without a platform", () => {
  it("explains what is found, and hands it over once", { timeout: 60_000 }, async () => {
    write({ ...SITE, Procfile: "web: serve\n" });
    const { stdout } = await plim("--explain");
    expect(stdout).toContain("No Dockerfile: this is a site of files.\n  index.html is at its top\n");
    expect(stdout).toContain("Procfile: processes web\n");
    expect(stdout).toContain("FROM node:22-slim\n");
    expect(existsSync(join(folder, "Dockerfile"))).toBe(false);
    expect((await plim("--eject")).stdout).toMatch(/Written: Dockerfile, \.dockerignore\./);
    expect(stdout).toContain(readFileSync(join(folder, "Dockerfile"), "utf8"));
    expect(await plim("--eject")).toMatchObject({ code: 1, stderr: expect.stringContaining("There is Dockerfile already") });
    expect((await plim("--explain")).stdout).toContain("Built by Dockerfile.");
  });

  it("sees what a push would bring, where plimsoll.yaml says", { timeout: 60_000 }, async () => {
    await run(["git", "init", "-q"], { cwd: folder, env });
    write({ ".gitignore": "package.json\n", "package.json": "{}", "server.js": "", "pages/index.html": "", "pages/.dockerignore": "x\n" });
    expect(await plim("--explain")).toMatchObject({ code: 1, stderr: expect.not.stringContaining("Node program") });
    write({ "plimsoll.yaml": "build: { context: pages }\n" });
    expect((await plim("--eject")).stdout).toMatch(/Written: pages\/Dockerfile\./);
    expect(readFileSync(join(folder, "pages/.dockerignore"), "utf8")).toBe("x\n");
    write({ "plimsoll.yaml": "bild: {}\n" });
    expect(await plim("--explain")).toMatchObject({ code: expect.any(Number), stderr: expect.stringContaining("did you mean `build`?") });
  });
});
