import { describe, expect, it } from "vitest";
import { parseDockerfile } from "../dockerfile/parse.ts";
import { type AdviceFacts, advise } from "./advise.ts";
import { installerIn } from "./installers.ts";

const facts = (text: string, more: Partial<AdviceFacts> = {}): AdviceFacts => ({
  file: "Dockerfile",
  stages: parseDockerfile(text, "Dockerfile").stages,
  bases: [],
  user: "app",
  hasIgnoreFile: true,
  largestFiles: [],
  layers: [],
  ...more,
});
const about = (given: AdviceFacts) => advise(given).map((one) => one.about);

describe("advise", () => {
  it("says nothing where there is nothing to say", () => {
    const text = "FROM node:22-slim\nCOPY package.json package-lock.json ./\nRUN npm ci\nCOPY . .\nUSER node\n";
    expect(about(facts(text, { bases: [{ reference: "node:22-slim", line: 1 }] }))).toEqual([]);
  });

  it("finds a copy of everything above the installation of dependencies, and says which files to copy first", () => {
    expect(advise(facts("FROM node:22\nCOPY . .\nRUN corepack enable && pnpm install --frozen-lockfile\n"))).toEqual([
      {
        about: "order",
        message: "Everything is copied in line 2, above pnpm install in line 3.",
        why: "Any change of any file installs all dependencies again.",
        fix: "COPY package.json pnpm-lock.yaml ./ above pnpm install, and COPY . . below it",
        file: "Dockerfile",
        line: 2,
      },
    ]);
    // Nothing of the context, or not all of it.
    expect(about(facts("FROM a AS b\nFROM node:22\nCOPY --from=b . .\nRUN npm ci\n"))).toEqual([]);
    expect(about(facts("FROM node:22\nCOPY . .\nRUN npm install -g serve\n"))).toEqual([]);
  });

  it("names the largest files, where everything is copied", () => {
    const largestFiles = [
      { path: "data/my dump.sql", bytes: 48_000_000 },
      { path: "small", bytes: 1_000 },
    ];
    const [first, second] = advise(facts("FROM a:1\nCOPY . .\n", { largestFiles }));
    expect(first).toMatchObject({
      message: "data/my dump.sql has 48 MB and goes into the build.",
      fix: "echo '/data/my dump.sql' >> .dockerignore",
    });
    expect(second).toBeUndefined();
    expect(about(facts("FROM a:1\nCOPY src .\n", { largestFiles }))).toEqual([]);
  });

  it("names steps that add much, largest first, with what is usual against it", () => {
    const layers = [
      { label: "RUN apt-get update && apt-get install -y build-essential", line: 2, bytes: 400_000_000 },
      { label: "RUN make", line: 3, bytes: 1_200_000_000 },
      { label: "COPY . .", line: 4, bytes: 1_000 },
    ];
    const found = advise(facts("FROM a:1\n", { layers }));
    expect(found.map(({ line, message }) => [line, message])).toEqual([
      [3, "RUN make adds 1.2 GB to the image."],
      [2, "RUN apt-get update && apt-get install -y build-essential adds 400 MB to the image."],
    ]);
    expect(found[1]?.fix).toMatch(/--no-install-recommends/);
  });

  it("misses an ignore file only where everything is copied", () => {
    expect(about(facts("FROM a:1\nCOPY . .\n", { hasIgnoreFile: false }))).toEqual(["ignore"]);
    expect(about(facts("FROM a:1\nCOPY src .\n", { hasIgnoreFile: false }))).toEqual([]);
  });

  it("finds a base without version, not one with a tag or digest", () => {
    const bases = ["node", "registry.example:5000/tool:latest", "node:22", `node@sha256:${"a".repeat(64)}`, "registry.example:5000/tool:2"];
    const found = advise(facts("FROM a\n", { bases: bases.map((reference, at) => ({ reference, line: at + 1 })) }));
    expect(found.map(({ line, fix }) => [line, fix])).toEqual([
      [1, "FROM node:<version>, or FROM node@sha256:<digest>"],
      [2, "FROM registry.example:5000/tool:<version>, or FROM registry.example:5000/tool@sha256:<digest>"],
    ]);
  });

  it("finds root, however it is named", () => {
    for (const user of ["", "root", "0", "0:0", "root:root"]) expect(about(facts("FROM a:1\n", { user })), user).toEqual(["user"]);
    for (const user of ["node", "1000", "app:0"]) expect(about(facts("FROM a:1\n", { user })), user).toEqual([]);
    expect(advise(facts("FROM node:22\n", { user: "" }))[0]?.fix).toBe("USER node above the CMD");
  });
});

describe("installerIn", () => {
  it("knows the usual ones by how they are called", () => {
    const known = [
      "npm ci",
      "yarn",
      "yarn install",
      "pip install --no-cache-dir -r requirements.txt",
      "uv sync",
      "go mod download",
      "bundle install",
    ];
    for (const command of known) expect(installerIn(command), command).toBeDefined();
    for (const command of ["npm run build", "yarn build", "pip install flask", "go build", "npm install -g x"])
      expect(installerIn(command), command).toBeUndefined();
  });
});
