import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Resource } from "@plimsoll/core";
import { minimalEnv, run } from "@plimsoll/exec";
import { inNetworkNamespace } from "@plimsoll/host";
import { startTestRegistry, type TestRegistry } from "@plimsoll/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TEST_REGISTRY } from "../setup/platform.ts";
import { untilServing } from "../support/api.ts";
import { type Platform, type StartedPlatform, usePlatform } from "../support/platform.ts";

/** A private registry out in the world, behind a network of its own, and a platform that deploys and builds from it. */
const APP = "from-registry";
const NETNS = "plim-test-registry";
const LINK = "plimtestreg";
const [ADDRESS = "", PORT = ""] = TEST_REGISTRY.split(":");
const IMAGE = `${TEST_REGISTRY}/team/web:1`;
const TIMEOUT_MS = 120_000;
const PASSWORD = "canary-9b1e4c77-registry";

let started: StartedPlatform | undefined;
let platform: Platform;
let registry: TestRegistry;
let home: string;

beforeAll(async () => {
  started = await usePlatform();
  platform = started.platform;
  home = await mkdtemp(join(tmpdir(), "plimsoll-e2e-registries-"));
  await removeNetwork();
  await run(["ip", "netns", "add", NETNS]);
  await run(["ip", "link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", NETNS]);
  for (const words of [`addr add 198.51.100.1/24 dev ${LINK}`, `link set ${LINK} up`]) await run(["ip", ...words.split(" ")]);
  for (const words of [`addr add ${ADDRESS}/24 dev eth0`, "link set eth0 up", "link set lo up"])
    await run(["ip", "-n", NETNS, ...words.split(" ")]);
  registry = await startTestRegistry({ auth: "basic", users: { ci: PASSWORD }, listen: listenThere });
  await untilServing(platform);
  await plim(["login", `localhost:${platform.place.httpPort}/demo`, "--token-file", "-"], platform.token);
});
afterAll(async () => {
  await plim(["destroy", APP, "--yes", "-n", "demo/demo"]).catch(() => undefined);
  await plim(["registries", "unset", TEST_REGISTRY, "-n", "demo/demo"]).catch(() => undefined);
  await registry?.stop();
  await removeNetwork();
  await rm(home, { recursive: true, force: true });
  await started?.stop();
});

function listenThere(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    inNetworkNamespace(`/run/netns/${NETNS}`, () => server.listen(Number(PORT), () => resolve(TEST_REGISTRY)));
  });
}

async function removeNetwork(): Promise<void> {
  await run(["ip", "link", "del", LINK], { okCodes: [0, 1] });
  await run(["ip", "netns", "del", NETNS], { okCodes: [0, 1] });
}

async function plim(words: readonly string[], stdin?: string) {
  const { code, stdout, stderr } = await run([join(platform.place.dataDir, "bin/plim"), ...words], {
    cwd: home,
    env: { ...minimalEnv, HOME: home },
    okCodes: [0, 1, 2, 3, 4, 5],
    timeoutMs: TIMEOUT_MS,
    ...(stdin === undefined ? {} : { stdin }),
  });
  return { code, out: stdout, said: stdout + stderr };
}

async function done(words: readonly string[], stdin?: string): Promise<string> {
  const { code, out, said } = await plim([...words, "-n", "demo/demo"], stdin);
  expect(code, said).toBe(0);
  return out;
}

/** A server that says `text`, under the tag. */
async function push(text: string, repository = "team/web"): Promise<string> {
  const root = await mkdtemp(join(home, "root-"));
  for (const directory of ["bin", "www", "tmp"]) mkdirSync(join(root, directory));
  copyFileSync("/bin/busybox", join(root, "bin/busybox"));
  writeFileSync(join(root, "www/index.html"), text);
  await run(["tar", "-C", root, "-cf", `${root}.tar`, "."]);
  const config = {
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Cmd: ["/bin/busybox", "sh", "-c", "exec /bin/busybox httpd -f -p $PORT -h /www"] },
  };
  const type = "application/vnd.oci.image";
  const layer = await registry.putBlob(repository, gzipSync(readFileSync(`${root}.tar`)), `${type}.layer.v1.tar+gzip`);
  const described = await registry.putBlob(repository, Buffer.from(JSON.stringify(config)), `${type}.config.v1+json`);
  const mediaType = `${type}.manifest.v1+json`;
  return registry.putManifest(repository, "1", { schemaVersion: 2, mediaType, config: described, layers: [layer] } as {
    mediaType: string;
  });
}

async function served(): Promise<string> {
  const url = `http://127.0.0.1:${platform.place.httpPort}/`;
  const { stdout } = await run(["curl", "-s", "-m", "10", "-H", `Host: ${APP}-demo.localhost`, url], { okCodes: [0, 7, 28, 52, 56] });
  return stdout;
}

async function digests(): Promise<readonly (string | undefined)[]> {
  const releases = JSON.parse(await done(["releases", APP, "-o", "json"])) as readonly Resource<"Release">[];
  return releases.map(({ spec: { source } }) => (source?.kind === "image" ? source.digest : undefined));
}

describe("an app from a private registry", () => {
  it("is refused with the command that helps, while the namespace is nobody there", async () => {
    await push("one");
    const { code, said } = await plim(["deploy", APP, "--image", IMAGE, "-n", "demo/demo"]);
    expect([code === 0, said]).toEqual([false, expect.stringContaining(`plim registries set ${TEST_REGISTRY} --user NAME`)]);
  });

  it("is refused with a wrong password, by the registry's name, and live with the right one, its tag pinned to a digest", async () => {
    const set = (password: string) => done(["registries", "set", TEST_REGISTRY, "--user", "ci"], password);
    await set("wrong");
    const refused = await plim(["deploy", APP, "--image", IMAGE, "-n", "demo/demo"]);
    expect(refused.said).toContain(`The registry ${TEST_REGISTRY} refused user ci for ${IMAGE}`);
    await set(PASSWORD);
    expect(await done(["registries"])).toMatch(new RegExp(`^${TEST_REGISTRY} +ci `, "m"));
    const digest = await push("one");
    const { code, said } = await plim(["deploy", APP, "--image", IMAGE, "-n", "demo/demo"]);
    expect([code, said]).toEqual([0, expect.stringMatching(/^v1 is live: http\S+$/m)]);
    expect(await served()).toBe("one");
    expect(await done(["describe", APP])).toContain(`image ${IMAGE}`);
    expect(await digests()).toEqual([digest]);
    expect(await done(["releases", APP])).toContain(`image ${IMAGE}@${digest.slice(0, 19)}`);
  });

  it("stays on its digest when the tag moves, until it is deployed again", async () => {
    const [before] = await digests();
    const moved = await push("two");
    await done(["env", APP, "ANYTHING=new"]);
    await expect.poll(digests, { timeout: 60_000 }).toEqual([before, before]);
    expect(await served()).toBe("one");
    await done(["deploy", APP, "--image", IMAGE]);
    await expect.poll(served, { timeout: 60_000 }).toBe("two");
    expect((await digests())[0]).toBe(moved);
  });

  it("may be what a build stands on, or copies and mounts from", async () => {
    const folder = await mkdtemp(join(home, "build-"));
    const dockerfile = [
      `FROM ${IMAGE}`,
      `COPY --from=${IMAGE} /www/index.html /copied`,
      `RUN --mount=type=bind,from=${IMAGE},source=/www,target=/mnt ["/bin/busybox", "cat", "/mnt/index.html", "/copied"]`,
    ];
    writeFileSync(join(folder, "Dockerfile"), `${dockerfile.join("\n")}\n`);
    const { code, said } = await plim(["build", APP, "-C", folder, "-n", "demo/demo"]);
    expect(code, said).toBe(0);
    expect(said).toContain("twotwo");
  });

  it("is found at a mirror first, and at the registry itself where the mirror does not have it, which the build says", async () => {
    const folder = await mkdtemp(join(home, "mirrored-"));
    await push("mirrored", "hub/library/only-here");
    await done(["registries", "mirror", "docker.io", `${TEST_REGISTRY}/hub`]);
    await done(["registries", "mirror", TEST_REGISTRY, `${TEST_REGISTRY}/nowhere`]);
    const dockerfile = ["FROM only-here:1 AS mirrored", `FROM ${IMAGE}`, "COPY --from=mirrored /www/index.html /copied"];
    writeFileSync(join(folder, "Dockerfile"), `${dockerfile.join("\n")}\n`);
    const { code, said } = await plim(["build", APP, "-C", folder, "-n", "demo/demo"]);
    for (const registry of ["docker.io", TEST_REGISTRY]) await done(["registries", "mirror", registry]);
    expect(code, said).toBe(0);
    expect(said).toContain(`mirror passed over: There is no image ${IMAGE}`);
    expect(await done(["registries"])).not.toContain("docker.io");
  });

  it("leaves the password nowhere in clear: not in the database, the queue, a log, a layer or a cache", async () => {
    const basic = Buffer.from(`ci:${PASSWORD}`).toString("base64");
    const found = await run(["grep", "-rlaF", "-e", PASSWORD, "-e", basic, platform.place.dataDir], {
      okCodes: [0, 1, 2],
      timeoutMs: TIMEOUT_MS,
    });
    expect(found.stdout).toBe("");
    // The control: what is no secret is found.
    const user = await run(["grep", "-rlaF", "-m1", "-e", TEST_REGISTRY, join(platform.place.dataDir, "postgres")], { okCodes: [0, 2] });
    expect(user.stdout).not.toBe("");
  });
});
