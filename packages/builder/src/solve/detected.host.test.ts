import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GitObjects } from "../context/git-objects.ts";
import { planStages } from "../plan/stages.ts";
import { commitFiles, type TestFile } from "../testing/repository.ts";
import { readRecipe } from "./recipe.ts";

describe("a commit without a Dockerfile", () => {
  let dir: string;
  let objects: GitObjects;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "plimsoll-builder-detected-"));
    await run(["git", "init", "-q", "--bare", dir]);
    objects = new GitObjects(dir);
  });
  afterAll(async () => {
    await objects.close();
    await rm(dir, { recursive: true });
  });
  const recipeOf = async (files: Readonly<Record<string, TestFile>>, contextDir?: string) =>
    readRecipe(objects, { commit: await commitFiles(dir, files), ...(contextDir === undefined ? {} : { contextDir }) });

  it.each<[string, Readonly<Record<string, TestFile>>]>([
    [
      "an Express app",
      { "package.json": '{"dependencies":{"express":"5"},"scripts":{"start":"node a.js","build":"x"}}', "package-lock.json": "" },
    ],
    ["a Vite site", { "package.json": '{"devDependencies":{"vite":"7"},"scripts":{"build":"vite build"}}', "yarn.lock": "" }],
    ["a Next.js app", { "package.json": '{"dependencies":{"next":"15"},"scripts":{"build":"x"}}', "pnpm-lock.yaml": "" }],
    ["a FastAPI app", { "pyproject.toml": '[project]\ndependencies = ["fastapi"]\n', "uv.lock": "", "main.py": "app = FastAPI()\n" }],
    [
      "a Flask app",
      { "poetry.lock": "", "pyproject.toml": "[tool.poetry.dependencies]\nflask = '*'\n", "app.py": "app = Flask(__name__)\n" },
    ],
    ["a Go program", { "go.mod": "module a\ngo 1.22\n", "main.go": "package main\n" }],
    ["a Rails app", { Gemfile: 'gem "rails"\ngem "puma"\n', "config/application.rb": "", "package.json": "{}", "app/assets/a.css": "" }],
    [
      "a Laravel app",
      { "composer.json": '{"require":{"laravel/framework":"*"}}', artisan: "", "package.json": '{"scripts":{"build":"x"}}' },
    ],
    ["a Spring Boot app", { "pom.xml": "<project>spring-boot-maven-plugin</project>" }],
    ["a site of files", { "index.html": "" }],
  ])("gets one that our own builder reads: %s", async (what, files) => {
    const { dockerfile, written, rules } = await recipeOf(files);
    expect(written?.what).toBe(what);
    expect(rules?.ignores(".git")).toBe(true);
    const plan = planStages(dockerfile, { architecture: "amd64", buildArgs: {} });
    expect(plan.stages.map(({ index }) => index)).toContain(plan.target);
  });

  it("is looked at where the app's directory is, its own ignore file kept, links never followed out of it", async () => {
    const files = { "services/site/index.html": "", "services/site/.dockerignore": "drafts\n", "package.json": "{}" };
    const { written, rules } = await recipeOf(files, "services/site");
    expect(written?.what).toBe("a site of files");
    expect([rules?.ignores("drafts"), rules?.ignores(".env")]).toEqual([true, false]);
    await expect(recipeOf({ "index.html": { content: "/etc/passwd", mode: "link" }, "x.txt": "" })).resolves.toMatchObject({
      written: { what: "a site of files" },
    });
    await expect(recipeOf({ "go.mod": { content: "/etc/passwd", mode: "link" } })).rejects.toThrow("Looked for: go.mod");
  });

  it("is refused where a Dockerfile is named, or is a link to nowhere", async () => {
    const commit = await commitFiles(dir, { "index.html": "" });
    await expect(readRecipe(objects, { commit, dockerfile: "ops/Dockerfile" })).rejects.toThrow("no ops/Dockerfile");
    await expect(recipeOf({ "index.html": "", Dockerfile: { content: "nowhere", mode: "link" } })).rejects.toThrow("is a link to nowhere");
  });
});
