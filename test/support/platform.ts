import { existsSync, readdirSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PLATFORM_SCOPE } from "@plimsoll/core";
import { openDatabase, PLATFORM } from "@plimsoll/db";
import { minimalEnv, run } from "@plimsoll/exec";
import { type HostLayout, hostLayout } from "@plimsoll/host";
import { type Layout, layoutOf } from "../../scripts/platform/layout.ts";
import { postgresUrl } from "../../scripts/platform/postgres.ts";
import { createTestHosts, inside } from "../cluster/index.ts";

/** A whole platform – `npm start`, every process real – in a network namespace of its own. */
export interface Platform {
  readonly place: PlatformPlace;
  readonly layout: Layout;
  readonly host: HostLayout;
  /** API token of an owner of team `demo`; of an operator where the platform is the test's own. */
  readonly token: string;
}

/** Where a platform is; serialisable. */
export interface PlatformPlace {
  readonly dataDir: string;
  /** Path of its network namespace, where it listens on loopback; absent: ours. */
  readonly netns?: string;
  readonly httpPort: number;
  readonly sshPort: number;
}

export interface StartedPlatform {
  readonly platform: Platform;
  /** Ends and removes all of it: processes, instances, mounts, namespaces, cgroups, files. Idempotent. */
  stop(): Promise<void>;
  /** Makes another machine of the network a host, by the command that the platform gave for it. Absent on a shared platform. */
  join?(machine: number, name: string, command: string): Promise<HostLayout>;
}

const ROOT = resolve(import.meta.dirname, "../..");
const HOST_NAME = "this-host";
const PREFIX = "plimsoll-own-";
const PORTS = { httpPort: 8080, sshPort: 2222 };
/** A first start makes a base image, which takes half a minute where nothing else runs. */
const START_TIMEOUT_MS = 280_000;
const STOP_TIMEOUT_MS = 120_000;
/** Set by the set-up of a whole run, so that its files share one platform. */
const PLATFORM_VARIABLE = "PLIMSOLL_TEST_PLATFORM";
/** An account that nobody can log in to. */
const TESTER = { name: "Tester", email: "tester@plimsoll.invalid", passwordHash: "" };

/**
 * The platform of this test run where one is shared; else one is started for the caller, whose `stop` then ends it. A shared one's `stop`
 * does nothing. Call it once per file.
 */
export async function usePlatform(): Promise<StartedPlatform> {
  const shared = process.env[PLATFORM_VARIABLE];
  if (shared === undefined) return startPlatform({ settings: () => ({ PLIMSOLL_GIT_FETCH_ALLOW: "127.0.0.0/8,::1" }) });
  // No operator: whoever is to claim the shared platform still can.
  return { platform: await openPlatform(JSON.parse(shared) as PlatformPlace, false), stop: async () => undefined };
}

export interface PlatformOptions {
  /** Machines on one network; the platform is on the first. Default 1. */
  readonly machines?: number;
  /** Further settings of `npm start`, by the machines' addresses. */
  readonly settings?: (addresses: readonly string[]) => Readonly<Record<string, string>>;
}

/** Starts a platform with the sample app live, in a network namespace of its own. Removes what killed runs left first. Needs root. */
export async function startPlatform(options: PlatformOptions = {}): Promise<StartedPlatform> {
  // First of all it ends what still runs of runs that were killed.
  const network = await createTestHosts(options.machines ?? 1, { egress: true });
  await removeAbandoned();
  const settings = options.settings?.(network.hosts.map(({ address }) => address)) ?? {};
  const [machine] = network.hosts;
  if (machine === undefined) throw new Error("no network namespace was made");
  const dataDir = join(tmpdir(), `${PREFIX}${process.pid}-${machine.address.split(".")[2]}`);
  await mkdir(dataDir, { mode: 0o711 });
  network.own(hostLayout({ name: HOST_NAME, dataDir }).tag);
  const guests: { readonly prefix: readonly string[]; readonly dataDir: string }[] = [];
  const joinHost = async (index: number, name: string, command: string): Promise<HostLayout> => {
    const guest = network.hosts[index];
    if (guest === undefined) throw new Error(`there is no machine ${index}`);
    const guestDir = `${dataDir}-${name}`;
    await mkdir(guestDir, { mode: 0o711, recursive: true });
    const layout = hostLayout({ name, dataDir: guestDir });
    network.own(layout.tag);
    if (guests.every(({ dataDir: known }) => known !== guestDir)) guests.push({ prefix: inside(guest, []), dataDir: guestDir });
    const words = command.split(" ").filter((word) => word !== "");
    const flags = words.slice(words.indexOf("--") + 1);
    await runScript(inside(guest, []), guestDir, ["scripts/join.ts", ...flags, "--name", name], START_TIMEOUT_MS, {
      PLIMSOLL_ADDRESS: guest.address,
    });
    return layout;
  };
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= (async () => {
      try {
        for (const joined of guests) await runScript(joined.prefix, joined.dataDir, ["scripts/stop.ts", "--all"], STOP_TIMEOUT_MS);
        await runScript(inside(machine, []), dataDir, ["scripts/stop.ts", "--all"], STOP_TIMEOUT_MS);
      } finally {
        await network.remove();
        for (const directory of [dataDir, ...guests.map((joined) => joined.dataDir)]) await rm(directory, { recursive: true, force: true });
      }
    })();
    return stopped;
  };
  try {
    // From scripts/start.ts on: packages and portal are the business of whoever runs the tests.
    await runScript(inside(machine, []), dataDir, ["scripts/start.ts"], START_TIMEOUT_MS, settings);
    return { platform: await openPlatform({ dataDir, netns: machine.netns, ...PORTS }, true), stop, join: joinHost };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function openPlatform(place: PlatformPlace, operator: boolean): Promise<Platform> {
  const layout = layoutOf(ROOT, place.dataDir);
  return { place, layout, host: hostLayout({ name: HOST_NAME, dataDir: place.dataDir }), token: await newToken(layout, operator) };
}

async function newToken(layout: Layout, operator: boolean): Promise<string> {
  const db = openDatabase(postgresUrl(layout), await readFile(join(layout.secretsDir, "platform.key")));
  try {
    return await db.write({ scope: PLATFORM }, async (tx) => {
      const team = await tx.objects.findByName("Team", PLATFORM_SCOPE, "demo");
      const userId = (await tx.identities.credentials(TESTER.email))?.id ?? (await tx.identities.createUser({ ...TESTER, operator })).id;
      await tx.identities.setMembership(userId, team?.metadata.uid ?? "", "owner");
      return (await tx.identities.createToken({ kind: "api", name: "tests", userId })).secret;
    });
  } finally {
    await db.close();
  }
}

/** The argv that runs a program where the platform lives. */
export function insidePlatform({ place }: Platform, argv: readonly string[]): readonly string[] {
  return place.netns === undefined ? argv : inside(place.netns, argv);
}

/** Throws with what it printed when it fails. */
async function runScript(
  prefix: readonly string[],
  dataDir: string,
  script: readonly string[],
  timeoutMs: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  const options = { cwd: ROOT, env: { ...environment(dataDir), ...settings }, timeoutMs, okCodes: [0, 1] };
  const { code, stdout, stderr } = await run([...prefix, process.execPath, ...script], options);
  if (code !== 0) throw new Error(`${script.join(" ")} failed:\n${stdout}${stderr}`);
}

function environment(dataDir: string): Record<string, string> {
  return {
    ...minimalEnv,
    ...passedOn(["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "NODE_EXTRA_CA_CERTS"]),
    PLIMSOLL_DATA_DIR: dataDir,
    PLIMSOLL_HTTP_PORT: String(PORTS.httpPort),
    PLIMSOLL_SSH_PORT: String(PORTS.sshPort),
  };
}

function passedOn(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** What runs that were killed left on disk and in the kernel; their processes went with their network. */
async function removeAbandoned(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const dataDir = join(tmpdir(), name);
    // In a network namespace of its own: what the platform keeps in its machine's must not be looked for in ours.
    await runScript(["unshare", "--net"], dataDir, ["scripts/stop.ts", "--all"], STOP_TIMEOUT_MS);
    await rm(dataDir, { recursive: true, force: true });
  }
}
