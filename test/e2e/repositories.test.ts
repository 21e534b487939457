import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Resource } from "@plimsoll/core";
import { minimalEnv, run } from "@plimsoll/exec";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { api, inDemo, untilServing } from "../support/api.ts";
import { type App, createApp, type Files } from "../support/app.ts";
import { fixture, openPage } from "../support/fixture.ts";
import { insidePlatform, type Platform, type StartedPlatform, usePlatform } from "../support/platform.ts";
import { isLive, said } from "../support/pushed.ts";

/** Repositories as people have them, really pushed, built and served. */
const PLIM = resolve(import.meta.dirname, "../../apps/cli/src/main.ts");

/** Also those whose base images, where no registry is reachable, take a minute each to be made from Debian's packages. */
const EVERY_LANGUAGE = process.env.PLIMSOLL_TEST_EVERY_LANGUAGE !== undefined;

let started: StartedPlatform | undefined;
let platform: Platform;
const apps: App[] = [];

beforeAll(async () => {
  started = await usePlatform();
  platform = started.platform;
  await untilServing(platform);
});
// At once: the namespace's quota is small.
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.remove()));
});
afterAll(async () => {
  await started?.stop();
});

async function makeApp(name: string): Promise<App> {
  const app = await createApp(platform, name);
  apps.push(app);
  return app;
}

const resource = (name: string) => api<Resource<"App">>(platform, "GET", inDemo(`/apps/${name}`));

/** What somebody who opens the app's URL gets. */
const open = ({ host }: App, path = "/") => openPage(platform, host, path);

const DOCKERFILE = `FROM node:22
ARG GREETING=none
ENV GREETING=$GREETING
COPY *.mjs /app/
WORKDIR /app
CMD ["node", "web.mjs"]
`;
const WEB = `import { createServer } from "node:http";
createServer((request, response) => response.end([process.env.GREETING, process.env.MODE, process.env.PORT].join(" "))).listen(Number(process.env.PORT));
process.on("SIGTERM", () => process.exit(0));
`;
const WORKER = `setInterval(() => console.log("works"), 200);
process.on("SIGTERM", () => process.exit(0));
`;

describe("a repository that describes its app", () => {
  it("is refused before anything is built, with file, line and what is right", async () => {
    const app = await makeApp("described");
    const files = { Dockerfile: DOCKERFILE, "web.mjs": WEB, "worker.mjs": WORKER };
    const pushed = await app.push({ ...files, "plimsoll.yaml": "processes:\n  web:\n    replica: 2\n    memory: much\n" });
    expect(pushed.code).toBe(1);
    expect(said(pushed)).toContain("plimsoll.yaml:3:5: there is no key `processes.web.replica`; did you mean `replicas`?\n");
    expect(said(pushed)).toContain("plimsoll.yaml:4:13: processes.web.memory is an amount in MiB or GiB, like 512 MiB\n");
    expect(said(await app.push({ "plimsoll.yaml": "secrets: [TOKEN]\n" }))).toContain("plim secrets set described TOKEN");
    expect(said(await app.push({ "plimsoll.yaml": "processes: { web: { memory: 900 GiB } }\n" }))).toMatch(
      /described as plimsoll.yaml describes it needs 1 × 900 GiB[\s\S]*quota exceeded/,
    );
    const { items } = await api<{ items: unknown[] }>(platform, "GET", inDemo("/builds?app=described"));
    expect(items).toEqual([]);
  });

  it("has the processes, the environment and the build that its file names", async () => {
    const app = await makeApp("described");
    const yaml = (processes: string) => `build:\n  args: { GREETING: hello }\nenv: { MODE: 1.10 }\nprocesses:\n${processes}`;
    const web = "  web: { port: 3000, ready: /, memory: 96 MiB, cpu: 0.1 }\n";
    const worker = "  worker: { command: node worker.mjs, memory: 96 MiB, cpu: 0.1 }\n";
    const files = { Dockerfile: DOCKERFILE, "web.mjs": WEB, "worker.mjs": WORKER };
    isLive(await app.push({ ...files, "plimsoll.yaml": yaml(web + worker) }));
    expect(await open(app)).toBe("hello 1.10 3000");
    expect((await resource("described")).status.processes).toEqual({ web: { desired: 1, ready: 1 }, worker: { desired: 1, ready: 1 } });
    isLive(await app.push({ "plimsoll.yaml": yaml(web) }));
    await expect.poll(async () => Object.keys((await resource("described")).spec.processes), { timeout: 30_000 }).toEqual(["web"]);
  });

  it("is told on which port its program really listens, and may say so", async () => {
    const app = await makeApp("own-port");
    const files = { "package.json": "{}", "index.js": 'require("node:http").createServer((_, r) => r.end("mine")).listen(4321);\n' };
    const pushed = await app.push({ ...files, "plimsoll.yaml": "processes: { web: { readyTimeout: 5s } }\n" });
    expect(said(pushed)).toMatch(/it listens on \S*:4321, the probe asks port 8080.* or say port: 4321 in plimsoll\.yaml/);
    isLive(await app.push({ "plimsoll.yaml": "processes: { web: { port: 4321, stopGrace: 0s } }\n" }));
    expect(await open(app)).toBe("mine");
  });

  it("may be a directory of a repository with several", async () => {
    const app = await makeApp("part");
    const source = { kind: "git", directory: "services/part" };
    await api(platform, "POST", inDemo("/apps"), { name: "part", spec: { source } });
    const part = { Dockerfile: DOCKERFILE, "web.mjs": WEB, Procfile: "web: MODE=procfile exec node web.mjs\n" };
    const below = Object.fromEntries(Object.entries(part).map(([name, text]) => [`services/part/${name}`, text]));
    isLive(await app.push({ ...below, "plimsoll.yaml": "processes: { other: {} }\n", Dockerfile: "FROM nowhere\n" }));
    expect(await open(app)).toBe("none procfile 8080");
  });
});

describe("a repository with what a push does not bring", () => {
  it("is refused with the file that is only a pointer of Git LFS", async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"4".repeat(64)}\nsize 12345\n`;
    const app = await makeApp("lfs");
    const pushed = await app.push({ Dockerfile: "FROM scratch\nCOPY . /\n", "assets/logo.psd": pointer });
    expect(pushed.code).toBe(1);
    expect(said(pushed)).toMatch(/assets\/logo\.psd is kept in Git LFS[\s\S]*git lfs migrate export/);
  });
});

describe("a repository without a Dockerfile", () => {
  it("is built as the Node API that it is, its packages from their lock file", async () => {
    const app = await makeApp("node-api");
    const pushed = await app.push(await fixture("node-api"));
    isLive(pushed);
    expect(said(pushed)).toContain("No Dockerfile: this is an Express app (package.json depends on express; package-lock.json is npm's).");
    expect(said(pushed)).toContain("plim build --explain");
    expect(JSON.parse(await open(app))).toEqual({ hello: "from Express", node: expect.stringMatching(/^v22\./) });
  });

  it("is built as the Vite site that it is, and any path that is no file is its page", async () => {
    const app = await makeApp("vite-site");
    isLive(await app.push(await fixture("vite-site")));
    const page = await open(app, "/some/page");
    expect(page).toContain("<title>A Vite site</title>");
    expect(await open(app, /src="(\/assets\/[^"]+)"/.exec(page)?.[1])).toContain("built by Vite");
  });

  it.runIf(EVERY_LANGUAGE)("is built as the Python program that it is", async () => {
    const app = await makeApp("python-app");
    const pushed = await app.push(await fixture("python-app"));
    isLive(pushed);
    expect(said(pushed)).toContain("this is a Python program (main.py is there; requirements.txt is there)");
    expect(await open(app)).toBe("hello from Python");
  });

  it.runIf(EVERY_LANGUAGE)("is built as the Go program that it is", async () => {
    const app = await makeApp("go-module");
    isLive(await app.push(await fixture("go-module")));
    expect(await open(app)).toBe("hello from Go");
  });

  it("runs every process of its Procfile", async () => {
    const app = await makeApp("procfile");
    const pushed = await app.push(await fixture("procfile-worker"));
    isLive(pushed);
    expect(said(pushed)).toMatch(/^Release v1 {3}web ×1 {2}worker ×1/m);
    expect(await open(app)).toBe("web of a Procfile");
  });

  it("may hold several apps, a directory each", async () => {
    const files = await fixture("monorepo");
    for (const [name, page] of [
      ["api", "api of the monorepo"],
      ["site", "site of the monorepo"],
    ] as const) {
      const app = await makeApp(`mono-${name}`);
      await api(platform, "POST", inDemo("/apps"), {
        name: `mono-${name}`,
        spec: { source: { kind: "git", directory: `services/${name}` } },
      });
      isLive(await app.push(files));
      expect(await open(app)).toContain(page);
    }
    expect((await resource("mono-api")).spec.processes.web).toMatchObject({ cpuMillis: 100, readiness: { kind: "http", path: "/" } });
  });

  it("is made known to the platform by plim init, a directory as an app of its own", async () => {
    const home = await mkdtemp(join(tmpdir(), "plimsoll-e2e-init-"));
    try {
      const env = { ...minimalEnv, HOME: home, GIT_CONFIG_NOSYSTEM: "1" };
      const plim = (...words: string[]) =>
        run(insidePlatform(platform, [process.execPath, PLIM, ...words]), { cwd: home, env, okCodes: [0, 2], timeoutMs: 120_000 });
      await run(["git", "init", "-q", home], { env });
      await mkdir(join(home, "services/api"), { recursive: true });
      await plim("login", `http://localhost:${platform.place.httpPort}`, "--token", platform.token);
      const init = ["init", "plim-part", "-n", "demo/demo", "--no-key", "--directory"];
      expect(await plim(...init, "elsewhere")).toMatchObject({ code: 2, stderr: expect.stringContaining("no directory elsewhere") });
      const { stdout } = await plim(...init, "services/api");
      expect(stdout).toMatch(/Remote plimsoll-plim-part is [\s\S]*Looked for: go\.mod[\s\S]*git push plimsoll-plim-part/);
      expect((await plim("describe", "plim-part", "-n", "demo/demo")).stdout).toContain("git push, services/api");
      expect((await plim(...init, ".")).stdout).toContain("plim-part is what is in the whole repository.");
      expect((await resource("plim-part")).spec.source).toEqual({ kind: "git" });
      await plim("destroy", "plim-part", "--yes", "-n", "demo/demo");
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  });

  it("is refused with what was looked for where there is nothing to go by", async () => {
    const app = await makeApp("nothing");
    const nothing: readonly Files[] = [{}, { "notes.txt": "nothing to run" }];
    for (const files of nothing) {
      const pushed = await app.push(files);
      expect(pushed.code).toBe(1);
      expect(said(pushed)).toMatch(/Looked for: go\.mod,\s+requirements\.txt[\s\S]*Add a Dockerfile/);
    }
  });
});
