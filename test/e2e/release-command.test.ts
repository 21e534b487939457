import type { Resource } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api, inDemo, untilServing } from "../support/api.ts";
import { type App, createApp, untilSettled } from "../support/app.ts";
import { webApp } from "../support/files.ts";
import { insidePlatform, type Platform, type StartedPlatform, usePlatform } from "../support/platform.ts";
import { kill, untilBack } from "../support/processes.ts";

const NAME = "migrates";
let started: StartedPlatform | undefined;
let platform: Platform;
let app: App;

beforeAll(async () => {
  started = await usePlatform();
  platform = started.platform;
  await untilServing(platform);
  app = await createApp(platform, NAME);
  await api(platform, "POST", inDemo("/apps"), { name: NAME });
  await api(platform, "PUT", inDemo(`/apps/${NAME}/secrets/TOKEN`), { value: "s3cret" });
});
afterAll(async () => {
  await app?.remove();
  await started?.stop();
});

/** A commit whose release command is this line of shell. */
const withCommand = (line: string, timeout = "60s") => ({
  "plimsoll.yaml": `release:\n  command: ${JSON.stringify(line)}\n  timeout: ${timeout}\nenv: { GREETING: hello }\n`,
});
const said = (text: string) => text.replaceAll(/^remote: ?/gm, "").replaceAll(/ +$/gm, "");

/** Polled: on a busy machine the ingress may hear of it a moment after the push does. */
async function serves(version: string): Promise<void> {
  const url = `http://127.0.0.1:${platform.place.httpPort}/`;
  const argv = insidePlatform(platform, ["curl", "-sS", "--max-time", "20", "-H", `Host: ${app.host}`, url]);
  await expect.poll(async () => (await run(argv)).stdout.trim(), { timeout: 30_000 }).toBe(version);
}

async function lastDeployment(): Promise<Resource<"Deployment">> {
  const { items } = await api<{ items: Resource<"Deployment">[] }>(platform, "GET", inDemo(`/deployments?app=${NAME}`));
  const last = items.sort((a, b) => b.spec.number - a.spec.number)[0];
  if (last === undefined) throw new Error("there is no deployment");
  return last;
}

describe("a release command", () => {
  it("runs once in the new image, with environment and secrets, before the release serves, and shows its output", async () => {
    const line =
      'echo "$GREETING from $PLIMSOLL_PROCESS of $PLIMSOLL_RELEASE"; test "$TOKEN" = s3cret && test -f server.mjs && echo all is there';
    const pushed = await app.push({ ...webApp("first"), ...withCommand(line) });
    expect(pushed.code, pushed.text).toBe(0);
    expect(said(pushed.text)).toMatch(
      /^Release v1[^\n]*\n {2}release command {2}started\n {4}hello from release of v1\n {4}all is there\n {2}release command {2}done, [^\n]*\n {2}web-1/m,
    );
    await serves("first");
    await untilSettled(platform, NAME);
  });

  it("keeps what serves when it fails, and when it takes longer than it may", async () => {
    const failed = await app.push({ ...webApp("second"), ...withCommand("echo no such table; exit 3") });
    expect(failed.code).toBe(1);
    expect(said(failed.text)).toMatch(
      /release command {2}started\n {2}release command {2}exited with 3\n[\s\S]*no such table[\s\S]*v1 never stopped serving/,
    );
    expect(failed.text).toContain("(release command failed)");
    const late = await app.push(withCommand("echo begun; exec sleep 600", "2s"));
    expect(late.code).toBe(1);
    expect(said(late.text)).toContain("was stopped after 2 s, its limit");
    await serves("first");
    expect((await lastDeployment()).status).toMatchObject({ phase: "failed", command: { state: "failed", attempt: 1, output: ["begun"] } });
    await untilSettled(platform, NAME);
  });

  it("runs to its end, and once, while agent and server are killed under it", async () => {
    const before = (await lastDeployment()).spec.number;
    const push = app.push({ ...webApp("third"), ...withCommand("echo begun; sleep 6; echo ended") });
    const begun = async () => {
      const { spec, status } = await lastDeployment();
      return spec.number > before && status.command?.output.includes("begun");
    };
    await expect.poll(begun, { timeout: 60_000 }).toBe(true);
    const agent = kill(platform, "agent");
    const server = kill(platform, "server");
    await Promise.all([untilBack(platform, "agent", agent.victim), untilBack(platform, "server", server.victim)]);
    await push;
    await untilServing(platform);
    await untilSettled(platform, NAME);
    const { status } = await lastDeployment();
    expect(status).toMatchObject({ phase: "complete", command: { state: "succeeded", attempt: 1, output: ["begun", "ended"] } });
    await serves("third");
  });
});
