import { readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { minimalEnv, run, start } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api, inDemo, untilServing } from "../support/api.ts";
import { type Platform, type StartedPlatform, usePlatform } from "../support/platform.ts";

/** The real program, as `npm start` linked it, in a developer's home with a repository. */
const APP = "plim-shop";
const TIMEOUT_MS = 120_000;
const EVERY_CODE = [0, 1, 2, 3, 4, 5, 130];

let started: StartedPlatform | undefined;
let platform: Platform;
let home: string;
let tree: string;

beforeAll(async () => {
  started = await usePlatform();
  platform = started.platform;
  await untilServing(platform);
  home = await mkdtemp(join(tmpdir(), "plimsoll-e2e-cli-"));
  tree = join(home, APP);
  await mkdir(join(home, ".ssh"), { mode: 0o700 });
  await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "cli test", "-f", join(home, ".ssh/id_ed25519")]);
  await mkdir(tree);
  await git("init", "-q", "-b", "main");
  await commit("first", { Dockerfile: DOCKERFILE, "server.mjs": SERVER });
});
afterAll(async () => {
  await plim(["destroy", APP, "--yes", "-n", "demo/demo"]).catch(() => undefined);
  await rm(home, { recursive: true, force: true });
  await started?.stop();
});

const DOCKERFILE = 'FROM node:22\nCOPY server.mjs /\nCMD ["node", "/server.mjs"]\n';
/** Numbers its lines, some at one time, so that a lost or doubled one shows. */
const SERVER = `import { createServer } from "node:http";
let n = 0;
setInterval(() => { for (let i = 0; i < 3; i++) console.log("line " + n++); }, 40);
createServer((request, response) => response.end("hello")).listen(Number(process.env.PORT));
process.on("SIGTERM", () => process.exit(0));
`;

function environment(): Record<string, string> {
  return {
    ...minimalEnv,
    HOME: home,
    GIT_CONFIG_NOSYSTEM: "1",
    // ssh takes its home from the password database, not from HOME.
    GIT_SSH_COMMAND: `ssh -F /dev/null -i ${home}/.ssh/id_ed25519 -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR`,
  };
}

/** Of a process, as it was typed; empty where it is gone. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
  } catch {
    return "";
  }
}

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function plim(words: readonly string[], options: { stdin?: string; cwd?: string; env?: Record<string, string> } = {}): Promise<Said> {
  const { code, stdout, stderr } = await run([join(platform.place.dataDir, "bin/plim"), ...words], {
    cwd: options.cwd ?? tree,
    env: { ...environment(), ...options.env },
    okCodes: EVERY_CODE,
    timeoutMs: TIMEOUT_MS,
    ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
  });
  expect(stderr + stdout).not.toMatch(/^\s+at .+:\d+:\d+/m);
  return { code, out: stdout, err: stderr };
}

/** As plim; it must do what it was asked. */
async function done(...words: string[]): Promise<string> {
  const said = await plim(words);
  expect(said, said.err).toMatchObject({ code: 0 });
  return said.out;
}

async function json<T>(...words: string[]): Promise<T> {
  return JSON.parse(await done(...words, "-o", "json")) as T;
}

const git = (...args: string[]) =>
  run(["git", "-c", "user.name=Ana", "-c", "user.email=ana@acme.example", ...args], {
    cwd: tree,
    env: environment(),
    okCodes: [0, 1],
    timeoutMs: TIMEOUT_MS,
  });

async function commit(subject: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(tree, name), text);
  await git("add", "-A");
  await git("commit", "-q", "--allow-empty", "-m", subject);
}

/** What the pusher sees, without what git adds. */
async function push(): Promise<Said> {
  const { code, stderr } = await git("push", "--force", "plimsoll", "main");
  return { code, out: stderr.replaceAll(/^remote: ?/gm, "").replaceAll(/ +$/gm, ""), err: stderr };
}

/** The plim line that a text tells people to type, as words. */
function lineIn(text: string): string[] {
  return /plim ((?:logs|describe) .+)$/m.exec(text)?.[1]?.split(" ") ?? [];
}

describe("plim", () => {
  it("logs in with a token and keeps it", async () => {
    expect(await plim(["apps"])).toMatchObject({ code: 3, err: expect.stringContaining("plim login") });
    const url = `localhost:${platform.place.httpPort}/demo`;
    expect(await plim(["login", url, "--token", "nonsense"])).toMatchObject({ code: 3 });
    const said = await plim(["login", url, "--token-file", "-"], { stdin: `${platform.token}\n` });
    expect(said).toMatchObject({
      code: 0,
      out: expect.stringContaining(`Logged in at http://localhost:${platform.place.httpPort} as Tester`),
    });
    expect(await done("whoami")).toMatch(/team demo +owner +demo/);
  });

  it("makes a repository known, and the first push is live", async () => {
    expect(await done("init", "-n", "demo", "--ssh-port", String(platform.place.sshPort))).toContain("Next: git push plimsoll main");
    expect(await done("keys")).toContain("SHA256:");
    const pushed = await push();
    expect(pushed.out).toContain(`Live  http://${APP}-demo.localhost`);
    expect(await done("apps")).toMatch(new RegExp(`${APP} +● live +v1 +web 1/1 +http://${APP}-demo`));
    expect(await done("ps")).toMatch(/web-1 +● ready +v1/);
    expect(await done("describe")).toMatch(/Release +v1 · [0-9a-f]{7}[\s\S]*Deployments\n +1 +v1 +● complete/);
    expect(await done("describe", "deployment", "1")).toContain("git push by Tester");
  });

  it("follows a log through a kill of the server, each line once, until Ctrl-C", async () => {
    const child = await start([join(platform.place.dataDir, "bin/plim"), "logs", "-f", "--tail", "5"], {
      cwd: tree,
      env: environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    const numbers = () => [...text.matchAll(/ web-1 +line (\d+)$/gm)].map(([, number]) => Number(number));
    const ended = new Promise((resolve) => child.once("close", resolve));
    try {
      await expect.poll(() => numbers().length, { timeout: 30_000 }).toBeGreaterThan(20);
      const { server } = JSON.parse(readFileSync(join(platform.place.dataDir, "run/processes.json"), "utf8")) as {
        server: { pid: number };
      };
      process.kill(server.pid, "SIGKILL");
      const before = numbers().length;
      await untilServing(platform);
      await expect.poll(() => numbers().length, { timeout: 60_000 }).toBeGreaterThan(before + 50);
      child.kill("SIGINT");
      expect(await ended).toBe(130);
    } finally {
      child.kill("SIGKILL");
    }
    const seen = numbers();
    expect(seen).toEqual(Array.from(seen, (_, index) => (seen[0] ?? 0) + index));
  });

  it("sets variables and secrets, whose values it takes from no command line", async () => {
    await done("env", "set", "GREETING=hello", "EMPTY=");
    expect(await plim(["secrets", "set", APP, "KEY=hunter2"])).toMatchObject({ code: 2 });
    expect(await plim(["secrets", "set", APP, "KEY"], { stdin: "hunter2\n" })).toMatchObject({ code: 0 });
    expect(await json("env")).toEqual({ env: { GREETING: "hello", EMPTY: "" }, secrets: ["KEY"] });
    expect(await done("secrets")).toMatch(/^KEY +version 1$/m);
    expect(await done("secrets", "reveal", APP, "KEY")).toBe("hunter2\n");
    await done("env", "unset", APP, "EMPTY");
    expect(await done("env")).toMatch(/GREETING +hello\nKEY +\(secret\)/);
  });

  it("scales, and goes back to a release", async () => {
    expect(await done("scale", "web=2")).toBe(`${APP}: web ×2\n`);
    expect(await done("rollback", "v1", "--wait")).toBe(`${APP}: v1 ● complete\n`);
    expect(await done("releases")).toMatch(/^v1 \(live\)/m);
    await done("scale", APP, "web=1");
  });

  it("answers what a failed build's push says to type", async () => {
    await commit("broken", { Dockerfile: `${DOCKERFILE}RUN echo before the fall && exit 7\n` });
    const pushed = await push();
    expect(pushed).toMatchObject({ code: 1, out: expect.stringContaining("build failed") });
    const log = await done(...lineIn(pushed.out));
    expect(log).toMatch(/ {4}before the fall\n[\s\S]*Dockerfile:4 {4}RUN echo/);
    const number = /--build (\d+)/.exec(pushed.out)?.[1] ?? "";
    expect(await done("describe", "build", number)).toMatch(/✖ failed[\s\S]*Why +Dockerfile:4/);
  });

  it("answers what the push of a release says that never gets ready", async () => {
    const readiness = { kind: "tcp", timeoutMs: 1_500 };
    await api(platform, "PATCH", inDemo(`/apps/${APP}`), { processes: { web: { readiness } } });
    await commit("deaf", { Dockerfile: DOCKERFILE, "server.mjs": 'console.log("deaf"); setInterval(() => undefined, 1_000);\n' });
    const pushed = await push();
    expect(pushed).toMatchObject({ code: 1, out: expect.stringContaining("never became ready") });
    expect(await done(...lineIn(pushed.out))).toMatch(/✖ failed[\s\S]*Why +web-1: [\s\S]*deaf/);
  });

  it("builds a folder as it is without releasing it, and sends nothing twice", async () => {
    await commit("good again", { Dockerfile: DOCKERFILE, "server.mjs": SERVER });
    const releases = await json<unknown[]>("releases");
    const index = readFileSync(join(tree, ".git/index"));
    await writeFile(join(tree, "Dockerfile"), `${DOCKERFILE}RUN echo not committed\n`);
    await writeFile(join(tree, "untracked"), "as well");
    const first = await plim(["build"]);
    expect(first).toMatchObject({ code: 0, err: expect.stringContaining("the folder as it is") });
    expect(first.out).toMatch(/ {4}not committed\n[\s\S]*image sha256:[0-9a-f]{64}[\s\S]*Nothing was released/);
    const again = await json<{ spec: { source: { commit: string } }; status: { phase: string; newBytes: number } }>("build");
    expect(again.status).toMatchObject({ phase: "succeeded", newBytes: 0 });
    expect((await plim(["build", "--committed"])).out).not.toContain("not committed");
    expect((await plim(["build", "--target", "nowhere"])).code).toBe(1);
    expect((await plim(["build", "never-pushed"])).code).toBe(4);
    expect(await json<unknown[]>("releases")).toEqual(releases);
    // The repository is as it was: index, branches, what is changed.
    expect(readFileSync(join(tree, ".git/index")).equals(index)).toBe(true);
    expect((await git("status", "--porcelain")).stdout).toBe(" M Dockerfile\n?? untracked\n");
    const outside = await mkdtemp(join(home, "no-repository-"));
    await writeFile(join(outside, "Dockerfile"), "FROM node:22\nRUN echo from a folder\n");
    expect((await plim(["build", APP, "-n", "demo", "-C", outside])).out).toContain("    from a folder\n");
    await git("checkout", "-q", "Dockerfile");
  });

  it("draws a build as a tree on a terminal, and says afterwards what ran when, what could be better and what is on the disk", async () => {
    const program = join(platform.place.dataDir, "bin/plim");
    // Long enough to be drawn more than once.
    await commit("a step that takes a moment", { Dockerfile: `${DOCKERFILE}RUN sleep 0.5\n` });
    // A terminal of its own, 80 columns wide.
    const terminal = { ...environment(), TERM: "xterm-256color", SHELL: "/bin/sh" };
    const { stdout: drawn } = await run(
      ["script", "-qefc", `stty cols 80 rows 24; exec ${program} build --advise --no-cache`, "/dev/null"],
      {
        cwd: tree,
        env: terminal,
        timeoutMs: TIMEOUT_MS,
      },
    );
    // Lines were drawn over; the cursor is back; the end stays.
    expect(drawn).toContain("A\r\u001b[J");
    expect(drawn).toContain("\u001b[?25h");
    expect(stripVTControlCharacters(drawn)).toMatch(
      /COPY server\.mjs \/ +\d+\.\d s[\s\S]*image sha256:[\s\S]*runs as root[\s\S]*USER node[\s\S]*Nothing was released/,
    );
    expect(await done("build", "--plain")).toMatch(/cached\nimage|cached\n[\s\S]*could be better: The program runs as root/);
    const [newest] = await json<{ spec: { number: number } }[]>("builds", APP);
    const number = String(newest?.spec.number);
    expect(await done("describe", "build", number, "-a", APP)).toMatch(/The program runs as root[\s\S]*→ USER node above the CMD/);
    expect(await done("describe", "build", number, "-a", APP, "--waterfall")).toMatch(
      /STAGE +STEP +TOOK[\s\S]*COPY server\.mjs \/ +saved \d+\.\d s[\s\S]*3 of 3 steps came from the cache, which saved/,
    );
    // Cleaning makes the host count anew: its ledger says what is left.
    expect(await done("disk", "clean", "--cache")).toContain("The next builds run every step");
    const disk = () => json<{ cleanedAt?: string; hosts: { measuredAt: string }[]; rows: { kind: string; apps: string[] }[] }>("disk");
    const isCounted = async () => {
      const { cleanedAt = "", hosts, rows } = await disk();
      const kinds = rows.filter(({ apps }) => apps.includes(APP)).map(({ kind }) => kind);
      return hosts.some(({ measuredAt }) => measuredAt > cleanedAt) && kinds.includes("layers") && kinds.includes("repositories");
    };
    await expect.poll(isCounted, { timeout: 60_000, interval: 500 }).toBe(true);
    expect(await done("disk")).toMatch(/repositories +plim-shop/);
    expect(await done("build", "--plain")).toMatch(/COPY server\.mjs \/ {2}done|done, /);
  });

  it("stops a build under way, also by Ctrl-C where it was asked for, and its processes within a second", async () => {
    // One that no other build has.
    const seconds = `300.${process.pid}`;
    await commit("slow", { Dockerfile: `${DOCKERFILE}RUN trap '' TERM INT; sleep ${seconds}\n` });
    const sleeps = () => readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandLine(pid) === `sleep ${seconds}`).length;
    const untilGone = async (what: string, sinceMs: number) => {
      await expect.poll(sleeps, { timeout: 20_000, interval: 10 }).toBe(0);
      const tookMs = performance.now() - sinceMs;
      console.log(`processes gone ${tookMs.toFixed(0)} ms after ${what}`);
      // A second, and ten times that on a machine that does ten other things.
      expect(tookMs).toBeLessThan(10_000);
    };
    const newest = async () => (await json<{ status: { phase: string } }[]>("builds", "--limit", "1"))[0]?.status.phase;
    const child = await start([join(platform.place.dataDir, "bin/plim"), "build"], { cwd: tree, env: environment() });
    const ended = new Promise((resolve) => child.once("close", resolve));
    await expect.poll(sleeps, { timeout: 60_000, interval: 100 }).toBe(1);
    const interruptedMs = performance.now();
    child.kill("SIGINT");
    await untilGone("Ctrl-C", interruptedMs);
    expect(await ended).toBe(130);
    await expect.poll(newest, { timeout: 60_000, interval: 200 }).toBe("cancelled");
    const pushed = push();
    await expect.poll(sleeps, { timeout: 60_000, interval: 100 }).toBe(1);
    const cancelledMs = performance.now();
    const cancelled = done("cancel", "build");
    await untilGone("plim cancel build was typed", cancelledMs);
    expect(await cancelled).toMatch(/: cancelled\.$/m);
    expect(await pushed).toMatchObject({ code: 1, out: expect.stringContaining("cancelled") });
  });

  it.each<[string, number, RegExp]>([
    ["aps", 2, /Did you mean apps\?/],
    ["logs --build first", 2, /named by its number, like 15/],
    ["scale web=many", 2, /web=3/],
    ["scale nobody=1", 4, /There is no process nobody/],
    ["describe nothing-like-it", 4, /does not exist/],
    ["describe deployment 999", 4, /999|does not exist/],
    ["apps -n nowhere/else", 4, /does not exist/],
    ["apps -n demo/demo/demo", 2, /team\/namespace/],
    ["quota set memory=12GB", 2, /memory=3GiB/],
    ["rollback v99", 4, /no release v99; `plim releases` lists them/],
    [`destroy ${APP}`, 2, /--yes/],
  ])("%s ends with %i and what is right", async (line, code, sentence) => {
    const said = await plim(line.split(" "));
    expect(said).toMatchObject({ code, out: "", err: expect.stringMatching(sentence) });
  });

  it("tells a platform that is not there from one that refuses", async () => {
    const env = { PLIM_URL: "http://localhost:9", PLIM_TOKEN: "x" };
    expect(await plim(["apps"], { env })).toMatchObject({ code: 5, err: expect.stringContaining("Nothing answers at http://localhost:9") });
  });

  it("destroys an app when it may", async () => {
    expect(await done("destroy", "--yes")).toBe(`${APP} is gone.\n`);
    expect(await plim(["describe"])).toMatchObject({ code: 4 });
    expect(await done("events")).toEqual(expect.any(String));
    expect(await done("logout")).toContain("Logged out");
    expect(await plim(["apps"])).toMatchObject({ code: 3 });
  });
});
