import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { api, inDemo, untilServing } from "../support/api.ts";
import { type App, createApp, type Files } from "../support/app.ts";
import { fixture, openPage } from "../support/fixture.ts";
import { type Platform, type StartedPlatform, usePlatform } from "../support/platform.ts";
import { isLive, said } from "../support/pushed.ts";
import { debianPackages } from "../support/registries/debian-packages.ts";
import { type OutThere, serveOutThere } from "../support/registries/out-there.ts";
import { pythonIndex } from "../support/registries/python-index.ts";
import { makeUvWheel } from "../support/registries/uv-wheel.ts";
import { makeWheels } from "../support/registries/wheels.ts";

/**
 * Python repositories without a Dockerfile, really built and served, their packages from an index of the tests' own: real wheels, made of
 * what Debian 13 has and, for uv, of a package of npm's, given as somebody gives a private index.
 */
const WHOLE = process.env.PLIMSOLL_TEST_EVERY_LANGUAGE !== undefined;
const SOON = { timeout: 30_000, interval: 200 };
const PACKAGES = ["python3-flask", "python3-django", "python3-fastapi", "uvicorn", "gunicorn", "python3-poetry"];
/** What pip and Poetry need beside: to build a project, and what Debian's packages have of it in another. */
const TOOLS = ["python3-setuptools-whl", "python3-wheel-whl", "python3-cffi", "python3-httpx", "python3-zstandard", "python3-colorama"];

describe.runIf(WHOLE)("a Python repository without a Dockerfile", () => {
  let started: StartedPlatform | undefined;
  let platform: Platform;
  let directory: string;
  let index: OutThere | undefined;
  const apps: App[] = [];

  beforeAll(async () => {
    started = await usePlatform();
    platform = started.platform;
    directory = await mkdtemp(join(tmpdir(), "plimsoll-e2e-python-"));
    const wanted = (name: string) => /^python3-|^(gunicorn|uvicorn)$/.test(name);
    const packages = await debianPackages({ suite: "trixie", packages: [...PACKAGES, ...TOOLS], wanted, directory });
    const wheels = join(directory, "wheels");
    const made = [...(await makeWheels(packages, wheels)), await makeUvWheel(join(directory, "uv"), wheels)];
    index = await serveOutThere(platform, await pythonIndex(wheels, made));
    await untilServing(platform);
  });
  // At once: the namespace's quota is small.
  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.remove()));
  });
  afterAll(async () => {
    await index?.[Symbol.asyncDispose]();
    await started?.stop();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  const push = async (name: string, files: Files) => {
    const app = await createApp(platform, basename(name));
    apps.push(app);
    await api(platform, "POST", inDemo("/apps"), { name, spec: { source: { kind: "git" } } });
    await api(platform, "PUT", inDemo(`/apps/${name}/secrets/PIP_INDEX_URL`), { value: `${index?.url}/simple` });
    const trusted = { "plimsoll.yaml": `build: { args: { PIP_TRUSTED_HOST: "${index?.host}" } }\n` };
    return { app, pushed: await app.push({ ...trusted, ...files }) };
  };
  const withIndex = (files: Files) =>
    Object.fromEntries(Object.entries(files).map(([path, text]) => [path, text.replaceAll("INDEX_URL", `${index?.url}/simple/`)]));

  it.each([
    ["python-pip-flask", "a Flask app", "hello from Flask"],
    ["python-pip-django", "a Django app", "hello from Django, static files are collected"],
    ["python-project-fastapi", "a FastAPI app", '{"hello":"from FastAPI"}'],
    ["python-setuptools-flask", "a Flask app", "hello from Flask, installed as a project"],
    ["python-poetry-flask", "a Flask app", "hello from Flask, by Poetry"],
  ])("is built from a private index and served: %s, %s", async (name, what, page) => {
    const { app, pushed } = await push(name, withIndex(await fixture(`detected/${name}`)));
    isLive(pushed);
    expect(said(pushed)).toContain(`No Dockerfile: this is ${what} (`);
    await expect.poll(() => openPage(platform, app.host), SOON).toBe(page);
  });

  /** As the tool makes it for these files, where the app's own build runs it: of the same packages, for the same Python. */
  const lockOf = async (tool: string, files: Files) => {
    const mount = (env: string) => `--mount=type=secret,id=PIP_INDEX_URL,env=${env}`;
    const Dockerfile = [
      "FROM python:3.13-slim",
      "WORKDIR /made",
      "ARG PIP_TRUSTED_HOST",
      "ENV UV_PYTHON=3.13",
      `RUN ${mount("PIP_INDEX_URL")} pip install ${tool}`,
      "COPY . .",
      `RUN ${mount("UV_DEFAULT_INDEX")} ${tool} lock`,
      'CMD exec python -m http.server "$PORT"',
    ].join("\n");
    const { app, pushed } = await push(`locked-by-${tool}`, { ...files, Dockerfile });
    isLive(pushed);
    const lock = { [`${tool}.lock`]: await openPage(platform, app.host, `/${tool}.lock`) };
    expect(lock[`${tool}.lock`]).toContain(index?.url);
    return lock;
  };

  it.each([
    ["python-uv-fastapi", "uv", '{"hello":"from FastAPI, by uv","has what is for development":false}'],
    ["python-poetry-flask", "poetry", "hello from Flask, by Poetry"],
  ])("is built of a lock file and served: %s", async (name, tool, page) => {
    const files = withIndex(await fixture(`detected/${name}`));
    const { app, pushed } = await push(`${name}-locked`, { ...files, ...(await lockOf(tool, files)) });
    isLive(pushed);
    expect(said(pushed)).toContain(`${tool}.lock is ${tool === "uv" ? "uv" : "Poetry"}'s`);
    await expect.poll(() => openPage(platform, app.host), SOON).toBe(page);
  });

  it("says which package the index does not have", async () => {
    const { pushed } = await push("python-missing", {
      "requirements.txt": "not-in-the-index==1\n",
      "main.py": "",
      ".python-version": "3.13\n",
    });
    expect(pushed.code).toBe(1);
    expect(said(pushed)).toMatch(/No matching distribution found for not-in-the-index==1/);
  });
});
