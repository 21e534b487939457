import type { BuildEvent, BuildStep, Image } from "@plimsoll/core";
import { describe, expect, it } from "vitest";
import type { PushOutcome, PushProgress } from "../progress.ts";
import { PushRenderer } from "./push.ts";

const heading = { team: "acme", namespace: "store", app: "shop", commit: `4f2c1d9${"0".repeat(33)}`, subject: "Free shipping above 50" };

const steps: readonly BuildStep[] = [
  { index: 0, stage: "deps", label: "FROM node:22-slim", line: 1 },
  { index: 1, stage: "deps", label: "RUN npm ci", line: 4 },
  { index: 2, stage: "build", label: "COPY . .", line: 7 },
  { index: 3, stage: "build", label: "RUN npm run build", line: 9 },
  { index: 4, stage: "runtime", label: "COPY --from=build /app/dist ./dist", line: 13 },
];
const plan: BuildEvent = { type: "plan", atMs: 0, dockerfile: "Dockerfile", target: "runtime", steps };
const image: Image = {
  digest: `sha256:9a41${"0".repeat(60)}`,
  config: { architecture: "amd64", os: "linux", env: [], entrypoint: [], cmd: [], user: "", workingDir: "/", exposedPorts: [], labels: {} },
  layers: [],
};

const build = (event: BuildEvent): PushProgress => ({ type: "build", event });
const started = (step: number): PushProgress => build({ type: "step-started", atMs: 0, step });
const log = (step: number, text: string): PushProgress => build({ type: "step-log", atMs: 0, step, stream: "stdout", text });
const ended = (step: number, outcome: "cached" | "done" | "failed", durationMs = 0): PushProgress =>
  build({ type: "step-done", atMs: durationMs, step, outcome, durationMs });
const imageMade = (atMs: number): PushProgress => build({ type: "done", atMs, image, sizeBytes: 61e6, newBytes: 0.4e6 });
const outcome = (of: PushOutcome): PushProgress => ({ type: "outcome", outcome: of });
const release = (number: number, changed: readonly string[]): PushProgress => ({
  type: "release",
  number,
  processes: [{ name: "web", replicas: 2 }],
  changed,
});

/** Everything that is shown for a course of events, and the reason in brackets of a rejected push. */
function show(...course: readonly PushProgress[]): string {
  const renderer = new PushRenderer(heading);
  const lines = [...renderer.heading()];
  let reason: string | undefined;
  for (const progress of course) {
    if (progress.type === "outcome") {
      const verdict = renderer.end(progress.outcome);
      lines.push(...verdict.lines);
      reason = verdict.reason;
    } else {
      lines.push(...renderer.next(progress));
    }
  }
  return `\n${lines.join("\n")}\n${reason === undefined ? "" : `(${reason})\n`}`;
}

const rollout: readonly PushProgress[] = [
  { type: "instance", state: "ready", name: "web-1", host: "host-a", startedMs: 100, readyMs: 400 },
  { type: "instance", state: "ready", name: "web-2", host: "host-b", startedMs: 100, readyMs: 500 },
  { type: "drained", release: 13, requests: { total: 1204, failed: 0 } },
  outcome({ ok: true, url: "https://shop-store.example.app", sincePushMs: 3600 }),
];

describe("what git push shows", () => {
  it("is the tree of the build, the release, its instances and the URL when all is well", () => {
    const shown = show(
      build(plan),
      ended(0, "cached"),
      ended(1, "cached"),
      ended(2, "done", 120),
      ended(3, "done", 1900),
      ended(4, "done", 30),
      imageMade(2100),
      release(14, ["image", "env PRICE_TABLE"]),
      ...rollout,
    );
    expect(shown).toBe(`
Plimsoll · shop in acme/store · 4f2c1d9 "Free shipping above 50"

Build   Dockerfile, target runtime
  ├─ deps      FROM node:22-slim                          cached
  │            RUN npm ci                                 cached
  ├─ build     COPY . .                                   0.1 s
  │            RUN npm run build                          1.9 s
  └─ runtime   COPY --from=build /app/dist ./dist         0.0 s
  image sha256:9a41… · 61 MB, 0.4 MB new · 2.1 s

Release v14   web ×2   changed: image, env PRICE_TABLE
  web-1  started 0.1 s, ready 0.4 s on host-a
  web-2  started 0.1 s, ready 0.5 s on host-b
  v13 drained and stopped · 1,204 requests meanwhile, 0 failed

Live  https://shop-store.example.app     3.6 s after push
`);
  });

  it("names no URL where nothing would answer", () => {
    expect(show(release(1, []), outcome({ ok: true, sincePushMs: 900 }))).toContain(
      "Live, without a URL: no process of it has a port     0.9 s after push",
    );
  });

  it("says cached for every step of a build that had nothing to do, and names a substituted image", () => {
    const shown = show(
      build(plan),
      build({ type: "notice", atMs: 1, text: "substituted node:22-slim with an image made here" }),
      ...steps.map((step) => ended(step.index, "cached")),
      build({ type: "done", atMs: 40, image, sizeBytes: 61e6, newBytes: 0 }),
      release(15, []),
    );
    expect(shown).toBe(`
Plimsoll · shop in acme/store · 4f2c1d9 "Free shipping above 50"

Build   Dockerfile, target runtime
  substituted node:22-slim with an image made here
  ├─ deps      FROM node:22-slim                          cached
  │            RUN npm ci                                 cached
  ├─ build     COPY . .                                   cached
  │            RUN npm run build                          cached
  └─ runtime   COPY --from=build /app/dist ./dist         cached
  image sha256:9a41… · 61 MB, 0.0 MB new · 0.0 s

Release v15   web ×2
`);
  });

  it("is the failed step with the end of its log and its line of the Dockerfile when the build fails", () => {
    const shown = show(
      build(plan),
      ended(0, "cached"),
      ended(1, "cached"),
      ended(2, "done", 100),
      started(3),
      log(3, "\u001b[31msrc/cart.ts(41,7)\u001b[0m: error TS2322: Type 'string' is not assignable to type 'number'.\n"),
      ended(3, "failed", 1400),
      build({
        type: "failed",
        atMs: 1600,
        failure: { reason: "command", message: "RUN npm run build exited with 2.", file: "Dockerfile", line: 9, exitCode: 2 },
      }),
      outcome({ ok: false, kind: "build_failed", build: 212, liveRelease: 13 }),
    );
    expect(shown).toBe(`
Plimsoll · shop in acme/store · 4f2c1d9 "Free shipping above 50"

Build   Dockerfile, target runtime
  ├─ deps      FROM node:22-slim                          cached
  │            RUN npm ci                                 cached
  ├─ build     COPY . .                                   0.1 s
  └─ build     RUN npm run build                          failed, exit 2, 1.4 s

      src/cart.ts(41,7): error TS2322: Type 'string' is not assignable to type 'number'.

  Dockerfile:9    RUN npm run build

Nothing was released; v13 stays live. Whole log: plim logs --build 212
(build failed)
`);
  });

  it("says what the build needed when it ran out of memory, and leaves out what never ended", () => {
    const message =
      "RUN npm run build was killed: it needed more than the build's 1 GiB. Namespace store may give a build up to 4 GiB: set\n" +
      "build.memory in plimsoll.yaml, or ask ana@acme.example (team admin) to raise it.";
    const shown = show(
      build(plan),
      started(1),
      ended(0, "cached"),
      ended(2, "cached"),
      ended(3, "failed", 61_200),
      build({ type: "failed", atMs: 1, failure: { reason: "out_of_memory", message, line: 9, instruction: "RUN npm run build" } }),
      outcome({ ok: false, kind: "build_failed", build: 213 }),
    );
    expect(shown).toBe(`
Plimsoll · shop in acme/store · 4f2c1d9 "Free shipping above 50"

Build   Dockerfile, target runtime
  ├─ deps      FROM node:22-slim                          cached
  ├─ build     COPY . .                                   cached
  └─ build     RUN npm run build                          failed, out of memory, 1 min 1 s

  Dockerfile:9    RUN npm run build

  RUN npm run build was killed: it needed more than the build's 1 GiB. Namespace store may give a build up to 4 GiB: set
  build.memory in plimsoll.yaml, or ask ana@acme.example (team admin) to raise it.

Nothing was released; nothing is live yet. Whole log: plim logs --build 213
(build failed)
`);
  });

  it("names file, line and reason of a Dockerfile that cannot be built at all", () => {
    const shown = show(
      build({
        type: "failed",
        atMs: 2,
        failure: {
          reason: "unsupported",
          message: "HEALTHCHECK is not supported: set readiness.",
          line: 3,
          instruction: "HEALTHCHECK CMD x",
        },
      }),
      outcome({ ok: false, kind: "build_failed", build: 1 }),
    );
    expect(shown).toBe(`
Plimsoll · shop in acme/store · 4f2c1d9 "Free shipping above 50"

Build

  Dockerfile:3    HEALTHCHECK CMD x

  HEALTHCHECK is not supported: set readiness.

Nothing was released; nothing is live yet. Whole log: plim logs --build 1
(build failed)
`);
  });

  it("marks the lines of the Dockerfile that a failure is about", () => {
    const excerpt = [
      { line: 9, text: "WORKDIR /app" },
      { line: 10, text: "RUN npm run build \u001b[31m&& \\", marked: true },
      { line: 11, text: "", marked: true },
    ];
    const failure = {
      reason: "command",
      message: "exit 2",
      exitCode: 2,
      file: "Dockerfile",
      line: 10,
      instruction: "RUN npm run build",
      excerpt,
    } as const;
    const shown = show(build(plan), started(3), ended(3, "failed", 1400), build({ type: "failed", atMs: 1500, failure }));
    expect(shown.split("\n").slice(-7)).toEqual([
      "",
      "  Dockerfile:10    RUN npm run build",
      "",
      "       9  WORKDIR /app",
      "    > 10  RUN npm run build && \\",
      "    > 11",
      "",
    ]);
  });

  it("says what the build checks found, in short, and gives no advice", () => {
    const warning = (line: number) =>
      build({ type: "warning", atMs: 1, warning: { check: "MaintainerDeprecated", message: "Old.", file: "Dockerfile", line } });
    const advice = build({ type: "advice", atMs: 2, advice: [{ about: "user", message: "Root.", why: "Bad.", fix: "USER 1" }] });
    const shown = (...lines: number[]) =>
      show(build(plan), ...lines.map(warning), advice, imageMade(100))
        .split("\n")
        .slice(-2 - Math.min(lines.length, 4), -1);
    expect(shown(2)).toEqual(["  image sha256:9a41… · 61 MB, 0.4 MB new · 0.1 s", "  warning Dockerfile:2  Old. (MaintainerDeprecated)"]);
    expect(shown(2, 3, 4, 5).at(-1)).toBe("          and 1 more: plim describe build");
  });

  it("shows why an instance never got ready, its last lines, a hint, and what serves on", () => {
    const shown = show(
      release(15, []),
      {
        type: "instance",
        state: "failed",
        name: "web-1",
        started: true,
        reason: "not ready after 60 s: GET /healthz on port 8080 refused the connection",
        logTail: ["listening on 127.0.0.1:3000"],
        hint: "it listens on 127.0.0.1:3000, the probe asks port 8080 on all addresses: use process.env.PORT",
      },
      outcome({ ok: false, kind: "never_ready", release: 15, deployment: 15, liveRelease: 14 }),
    );
    expect(shown).toBe(`
Plimsoll · shop in acme/store · 4f2c1d9 "Free shipping above 50"

Release v15   web ×2
  web-1  started, not ready after 60 s: GET /healthz on port 8080 refused the connection
         last lines:
           listening on 127.0.0.1:3000
  hint   it listens on 127.0.0.1:3000, the probe asks port 8080 on all addresses: use process.env.PORT
Rolled back: v14 never stopped serving. Why: plim describe deployment 15
(release v15 never became ready)
`);
  });

  it("shows the platform's sentences about a quota as they are", () => {
    const message =
      "Release v16 needs 2 × 512 MiB = 1024 MiB memory; namespace store has 1.5 of 2 GiB used, 512 MiB free.\n" +
      "Team acme has 6 GiB not given to any namespace. ana@acme.example or li@acme.example can give store more:\n" +
      "  plim quota set store memory=3GiB        or   https://plimsoll.example/acme/quota?namespace=store&memory=3GiB";
    expect(show(outcome({ ok: false, kind: "quota_exceeded", message }))).toBe(`
Plimsoll · shop in acme/store · 4f2c1d9 "Free shipping above 50"

${message}
(quota exceeded)
`);
  });

  it("tells the older of two pushes who took over, and a waiting one why, once", () => {
    const waiting: PushProgress = { type: "waiting", reason: "Waits for a build slot: Namespace store builds 2 of 2 at the same time." };
    const by = { commit: `8d0e2f1${"0".repeat(33)}`, pusher: "Li" };
    expect(show(waiting, waiting, outcome({ ok: false, kind: "superseded", by }))).toBe(`
Plimsoll · shop in acme/store · 4f2c1d9 "Free shipping above 50"

Waits for a build slot: Namespace store builds 2 of 2 at the same time.
A newer push (8d0e2f1 by Li) took over; this one is not deployed.
(superseded by a newer push)
`);
  });

  it("says that a deploy goes on when the platform stops telling about it", () => {
    const renderer = new PushRenderer(heading);
    expect(renderer.lost("the server stops")).toEqual({
      lines: [
        "",
        "Lost sight of this deploy: the server stops",
        "It goes on without you. See it: plim describe shop --namespace acme/store, or push again.",
      ],
      reason: "lost sight of the deploy",
    });
  });

  it("says what is being done when nothing has happened for a while", () => {
    const renderer = new PushRenderer(heading);
    expect(renderer.idle({ silentMs: 15_000, sinceToldMs: 15_000 })).toEqual([]);
    renderer.next({ type: "build", event: plan });
    renderer.next({ type: "build", event: { type: "step-started", atMs: 0, step: 1 } });
    expect(renderer.idle({ silentMs: 30_000, sinceToldMs: 30_000 })).toEqual(["  … RUN npm ci, 30.0 s so far"]);
    renderer.next({ type: "build", event: { type: "step-log", atMs: 40_000, step: 1, stream: "stdout", text: "added 71 packages\n\n" } });
    expect(renderer.idle({ silentMs: 45_000, sinceToldMs: 5_000 })).toEqual(["  … RUN npm ci, 45.0 s so far: added 71 packages"]);
    renderer.next({ type: "build", event: { type: "step-done", atMs: 0, step: 1, outcome: "done", durationMs: 1 } });
    renderer.next({ type: "release", number: 1, processes: [{ name: "web", replicas: 2 }], changed: [] });
    expect(renderer.idle({ silentMs: 90_000, sinceToldMs: 90_000 })).toEqual(["  … 2 not ready yet, 1 min 30 s so far"]);
  });

  it("says of a failed command what its own words do not", () => {
    const renderer = new PushRenderer(heading);
    renderer.next({ type: "build", event: plan });
    const failing = (message: string) => {
      renderer.next({ type: "build", event: { type: "step-done", atMs: 1, step: 1, outcome: "failed", durationMs: 1 } });
      return renderer.next({ type: "build", event: { type: "failed", atMs: 1, failure: { reason: "command", message, exitCode: 127 } } });
    };
    const known = "RUN npm ci failed with exit code 127: the shell did not find a program; install it in an earlier RUN.";
    expect(failing(known).at(-1)).toBe(`  ${known}`);
    expect(failing("RUN npm ci failed with exit code 127.").join()).not.toContain("failed with exit code");
  });

  it("shows our own sentences to their end, for there they say what to do", () => {
    const renderer = new PushRenderer(heading);
    renderer.next({ type: "build", event: plan });
    const message = `RUN ${"x".repeat(280)} was stopped: it wrote too much. Write less.`;
    const lines = renderer.next({ type: "build", event: { type: "failed", atMs: 1, failure: { reason: "out_of_disk", message } } });
    expect(lines.at(-1)).toBe(`  ${message}`);
  });

  it("shows steps in the order of the Dockerfile although they end in another", () => {
    const renderer = new PushRenderer(heading);
    const lines = (progress: PushProgress) => (progress.type === "outcome" ? [] : renderer.next(progress));
    lines(build(plan));
    expect(lines(ended(2, "done", 100))).toEqual([]);
    expect(lines(ended(0, "cached"))).toEqual(["  ├─ deps      FROM node:22-slim                          cached"]);
    expect(lines(ended(1, "done", 2000))).toEqual([
      "  │            RUN npm ci                                 2.0 s",
      "  ├─ build     COPY . .                                   0.1 s",
    ]);
  });

  it("begins the tree again when a build was interrupted and is planned anew", () => {
    const shown = show(build(plan), ended(0, "cached"), build(plan), ended(0, "cached"));
    expect(shown).toContain("interrupted; it begins again\n\nBuild   Dockerfile, target runtime\n  ├─ deps      FROM");
  });
});
