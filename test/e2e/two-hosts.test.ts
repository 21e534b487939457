import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { minimalEnv, run } from "@plimsoll/exec";
import type { HostLayout } from "@plimsoll/host";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runIn } from "../cluster/index.ts";
import { entry, writeOciImage } from "../registry/oci-layout.ts";
import { api, inDemo } from "../support/api.ts";
import { type App, createApp, demoScope, untilSettled } from "../support/app.ts";
import { untilChanged } from "../support/database.ts";
import { insidePlatform, type StartedPlatform, startPlatform } from "../support/platform.ts";

interface InstanceRow {
  readonly uid: string;
  readonly app: string;
  readonly host: string;
  readonly address: string;
}

const SERVER = `
const http = require("node:http");
http.createServer((request, response) => response.end(process.env.HOSTNAME + " " + process.env.PLIMSOLL_APP)).listen(process.env.PORT);
process.on("SIGTERM", () => process.exit(0));
`;
const FILES = { Dockerfile: 'FROM node:22\nCOPY server.js /\nCMD ["node", "/server.js"]\n', "server.js": SERVER };

let started: StartedPlatform;
let second: HostLayout;
const apps: App[] = [];

beforeAll(async () => {
  started = await startPlatform({
    machines: 2,
    settings: ([first = ""]) => ({ PLIMSOLL_ADDRESS: first, PLIMSOLL_AGENT_LISTEN: `${first}:7443` }),
  });
  const { command } = await api<{ command: string }>(started.platform, "POST", "/api/v1/host-tokens");
  if (started.join === undefined) throw new Error("a platform of its own can be joined");
  second = await started.join(1, "host-b", command);
}, 400_000);

afterAll(async () => {
  for (const app of apps) await app.close();
  await started?.stop();
}, 200_000);

/** Pushes an app, runs two instances of it, and answers them once both are ready. */
async function runOnBoth(name: string): Promise<readonly InstanceRow[]> {
  const { platform } = started;
  const app = await createApp(platform, name);
  apps.push(app);
  const pushed = await app.push(FILES);
  expect(pushed.code, pushed.text).toBe(0);
  await api(platform, "POST", inDemo(`/apps/${name}/scale`), { process: "web", replicas: 2 });
  await untilSettled(platform, name);
  return untilChanged(platform, await demoScope(platform), `two instances of ${name}`, 60_000, async (client) => {
    const { rows } = await client.query<InstanceRow>(
      "SELECT uid, spec ->> 'app' AS app, spec ->> 'host' AS host, status ->> 'address' AS address FROM objects WHERE kind = 'Instance' AND spec ->> 'app' = $1 AND phase = 'ready'",
      [name],
    );
    return rows.length === 2 ? rows : undefined;
  });
}

function netnsOf({ uid, host }: InstanceRow): string {
  const layout = host === "host-b" ? second : started.platform.host;
  return join(layout.netnsDir, `${layout.netnsPrefix}${uid}`);
}

const GET = `
const [host, port, name] = process.argv.slice(1);
const end = (text) => { console.log(text); process.exit(0); };
setTimeout(() => end("nothing"), 1500);
require("node:http").get({ host, port, headers: name ? { host: name } : {} }, (response) => {
  let text = "";
  response.on("data", (chunk) => { text += chunk; });
  response.on("end", () => end("got " + text));
}).on("error", () => end("nothing"));
`;

/** What somebody in a network namespace gets from an address, over HTTP; undefined when nothing answers. */
async function get(netns: string, address: string, port: number, name = ""): Promise<string | undefined> {
  const { stdout } = await runIn(netns, [process.execPath, "-e", GET, address, String(port), name]);
  return /^got (.*)$/m.exec(stdout)?.[1];
}

describe("two hosts", () => {
  it("run an app that one of them built, reach each other in its namespace, and are served by the first one's ingress", async () => {
    const instances = await runOnBoth("pair");
    expect(new Set(instances.map(({ host }) => host))).toEqual(new Set(["this-host", "host-b"]));
    const [one, other] = instances as [InstanceRow, InstanceRow];
    expect(await get(netnsOf(one), other.address, 8080)).toMatch(/pair$/);
    expect(await get(netnsOf(other), one.address, 8080)).toMatch(/pair$/);

    const seen = new Set<string | undefined>();
    const first = started.platform.place.netns ?? "";
    for (let i = 0; i < 8; i++) {
      seen.add(await get(first, "127.0.0.1", started.platform.place.httpPort, "pair-demo.localhost"));
    }
    expect([...seen].sort()).toEqual(["web-1 pair", "web-2 pair"]);
  });

  it("keep hosts and metadata out of a tenant's reach, whichever host a packet starts on", async () => {
    const { platform } = started;
    const mine = (
      await api<{ items: { metadata: { uid: string }; spec: { host: string; app: string }; status: { address: string } }[] }>(
        platform,
        "GET",
        inDemo("/instances?app=pair"),
      )
    ).items.map((item) => ({ uid: item.metadata.uid, app: "pair", host: item.spec.host, address: item.status.address }));
    for (const instance of mine) {
      const from = netnsOf(instance);
      for (const [address, port] of [
        ["169.254.169.254", 80],
        ["169.254.2.1", platform.place.sshPort],
        ["100.64.0.1", 7443],
        ["100.64.0.2", 7443],
        [firstAddress(), 7443],
      ] as const)
        expect(await get(from, address, port), `${instance.host} → ${address}:${port}`).toBeUndefined();
    }
  });

  it("take images of the platform's registry where they build, and give it the images of what they built", async () => {
    const { platform } = started;
    const registry = `localhost:${platform.place.httpPort}/demo/demo`;
    const home = await mkdtemp(join(tmpdir(), "plimsoll-e2e-two-hosts-"));
    const skopeo = (...words: string[]) =>
      run([...insidePlatform(platform, ["skopeo", ...words])], { env: { ...minimalEnv, HOME: home }, okCodes: [0, 1], timeoutMs: 120_000 });
    const login = `token:${platform.token}`;
    try {
      const files = [
        entry("bin", "", { type: "directory", mode: 0o755 }),
        entry("bin/busybox", readFileSync("/bin/busybox"), { mode: 0o755 }),
        entry("index.html", "carried\n"),
      ];
      const image = writeOciImage(join(home, "image"), files, ["/bin/busybox", "sh", "-c", "exec /bin/busybox httpd -f -p $PORT -h /"]);
      const to = `docker://${registry}/carried:1`;
      const pushed = await skopeo("copy", "--dest-tls-verify=false", "--dest-creds", login, `oci:${image.directory}:latest`, to);
      expect(pushed.code, pushed.stderr).toBe(0);
      // From here on only the joined host builds: it cannot reach the portal, and asks the server.
      await api(platform, "PATCH", "/api/v1/hosts/this-host", { schedulable: false });
      await api(platform, "POST", inDemo("/apps/carried/deploy"), { reference: `${registry}/carried:1` });
      const scope = await demoScope(platform);
      const host = await untilChanged(platform, scope, "an instance of carried", 60_000, async (client) => {
        const text =
          "SELECT spec ->> 'host' AS host FROM objects WHERE kind = 'Instance' AND spec ->> 'app' = 'carried' AND phase = 'ready'";
        return (await client.query<{ host: string }>(text)).rows[0]?.host;
      });
      expect(host).toBe("host-b");
      const inspected = await skopeo("inspect", "--tls-verify=false", "--creds", login, `docker://${registry}/carried:v1`);
      expect(inspected.code, inspected.stderr).toBe(0);
      expect((JSON.parse(inspected.stdout) as { Layers: string[] }).Layers).toHaveLength(1);
    } finally {
      await api(platform, "PATCH", "/api/v1/hosts/this-host", { schedulable: true });
      await rm(home, { recursive: true, force: true });
    }
  });
});

/** The first machine's own address, where the gateway listens. */
function firstAddress(): string {
  const wanted = JSON.parse(readFileSync(join(started.platform.layout.runDir, "wanted.json"), "utf8")) as {
    settings: Record<string, string>;
  };
  return wanted.settings.PLIMSOLL_ADDRESS ?? "";
}
