import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { minimalEnv, run } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { entry, writeOciImage } from "../registry/oci-layout.ts";
import { api, callApi, inDemo, untilServing } from "../support/api.ts";
import { type App, createApp, demoScope, untilSettled } from "../support/app.ts";
import { untilChanged } from "../support/database.ts";
import { insidePlatform, type Platform, type StartedPlatform, usePlatform } from "../support/platform.ts";
import { kill, untilBack } from "../support/processes.ts";

/** The registry as people's tools meet it: skopeo where the platform is, at the portal's address. */
const PUSHED = "registry-pushed";
const BUILT = "registry-built";
/** On a busy machine the ingress takes a moment after the release is live. */
const SERVES = { timeout: 60_000, interval: 200 };

let started: StartedPlatform | undefined;
let platform: Platform;
let home: string;
let built: App;

beforeAll(async () => {
  started = await usePlatform();
  platform = started.platform;
  await untilServing(platform);
  home = await mkdtemp(join(tmpdir(), "plimsoll-e2e-registry-"));
  built = await createApp(platform, BUILT);
});
afterAll(async () => {
  await built?.remove();
  await callApi(platform, "DELETE", inDemo(`/apps/${PUSHED}`)).catch(() => undefined);
  await rm(home, { recursive: true, force: true });
  await started?.stop();
});

const host = () => `localhost:${platform.place.httpPort}`;

async function skopeo(...args: readonly string[]): Promise<{ readonly code: number; readonly text: string; readonly out: string }> {
  const argv = insidePlatform(platform, ["skopeo", ...args]);
  const { code, stdout, stderr } = await run(argv, { env: { ...minimalEnv, HOME: home }, okCodes: [0, 1, 2], timeoutMs: 120_000 });
  return { code, text: stdout + stderr, out: stdout };
}

const inspect = (name: string) =>
  skopeo("inspect", "--tls-verify=false", "--creds", `token:${platform.token}`, `docker://${host()}/demo/demo/${name}`);

async function page(app: string): Promise<string> {
  const argv = ["curl", "-s", "--max-time", "10", "--resolve", `${app}-demo.localhost:${platform.place.httpPort}:127.0.0.1`];
  return (
    await run([...insidePlatform(platform, [...argv, `http://${app}-demo.localhost:${platform.place.httpPort}/`])], { timeoutMs: 20_000 })
  ).stdout;
}

describe("the platform's registry", () => {
  it("takes an image from skopeo, and runs it", async () => {
    const serve = ["/bin/busybox", "sh", "-c", "exec /bin/busybox httpd -f -p $PORT -h /www"];
    const files = [
      entry("bin", "", { type: "directory", mode: 0o755 }),
      entry("bin/busybox", readFileSync("/bin/busybox"), { mode: 0o755 }),
      entry("www", "", { type: "directory", mode: 0o755 }),
      entry("www/index.html", "pushed by skopeo\n"),
    ];
    const image = writeOciImage(join(home, "image"), files, serve);
    const to = `docker://${host()}/demo/demo/${PUSHED}:1.0`;
    const push = (creds: string) => skopeo("copy", "--dest-tls-verify=false", "--dest-creds", creds, `oci:${image.directory}:latest`, to);
    expect((await push("token:plim_api_wrong")).text).toMatch(/unauthorized|invalid username/i);
    const pushed = await push(`token:${platform.token}`);
    expect(pushed.code, pushed.text).toBe(0);

    // The push has made the app.
    const reference = `${host()}/demo/demo/${PUSHED}:1.0`;
    await api(platform, "POST", inDemo(`/apps/${PUSHED}/deploy`), { reference });
    await untilChanged(platform, await demoScope(platform), `the first release of ${PUSHED}`, 60_000, async (client) => {
      const text = "SELECT FROM objects WHERE kind = 'App' AND name = $1 AND status ? 'release'";
      return (await client.query(text, [PUSHED])).rowCount === 1 ? true : undefined;
    });
    await untilSettled(platform, PUSHED);
    await expect.poll(() => page(PUSHED), SERVES).toBe("pushed by skopeo\n");
    const foreign = await callApi(platform, "POST", inDemo(`/apps/${PUSHED}/deploy`), { reference: `${host()}/demo/other/${PUSHED}:1.0` });
    expect(foreign.text).toContain("reaches its own images only");
  });

  it("gives what was built by release number and commit, and builds on what it has", async () => {
    const pushed = await built.push({
      Dockerfile: `FROM ${host()}/demo/demo/${PUSHED}:1.0\nCOPY index.html /www/\n`,
      "index.html": "built on it\n",
    });
    expect(pushed.code, pushed.text).toBe(0);
    await expect.poll(() => page(BUILT), SERVES).toBe("built on it\n");
    const list = await api<{ items: { tag: string; kind: string; digest?: string }[] }>(platform, "GET", inDemo(`/images?app=${BUILT}`));
    // Live, and nothing of it was moved to the registry.
    expect(list.items).toEqual([
      expect.objectContaining({ tag: "v1", kind: "release" }),
      expect.objectContaining({ tag: pushed.commit, kind: "commit" }),
    ]);
    expect(list.items.map(({ digest }) => digest)).toEqual([undefined, undefined]);

    const byNumber = await inspect(`${BUILT}:v1`);
    expect(byNumber.code, byNumber.text).toBe(0);
    const told = JSON.parse(byNumber.out) as { RepoTags: string[]; Digest: string; Layers: string[] };
    expect(told.RepoTags).toEqual(expect.arrayContaining(["v1", pushed.commit]));
    expect(told.Layers).toHaveLength(2);
    expect((JSON.parse((await inspect(`${BUILT}:${pushed.commit}`)).out) as { Digest: string }).Digest).toBe(told.Digest);

    const refused = await built.push({ Dockerfile: `FROM ${host()}/demo/other/${PUSHED}:1.0\n` });
    expect(refused.code).toBe(1);
    expect(refused.text).toContain("reaches its own images only");
  });

  it("comes back by itself after kill -9 of it and of the server", async () => {
    for (const name of ["registry", "server"] as const) {
      const { victim } = kill(platform, name);
      await untilBack(platform, name, victim);
      await untilServing(platform);
      let again = await inspect(`${PUSHED}:1.0`);
      for (let tries = 0; again.code !== 0 && tries < 60; tries++) {
        await new Promise((wake) => setTimeout(wake, 500));
        again = await inspect(`${PUSHED}:1.0`);
      }
      expect(again.code, again.text).toBe(0);
    }
    const env = { ...minimalEnv, PLIMSOLL_DATA_DIR: platform.place.dataDir };
    const status = await run([process.execPath, "scripts/status.ts"], { env, okCodes: [0, 1], timeoutMs: 60_000 });
    expect(status.stdout).toMatch(/^ +registry +running +\d+ .+registry\.log$/m);
  });
});
