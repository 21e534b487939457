import { createServer } from "node:net";
import { Machine } from "./machine.ts";
import { makePlatformImage } from "./make-image.ts";
import { startMirror } from "./registry.ts";
import { expectThat, seconds, step, until } from "./steps.ts";

const MEMORY_MIB = 3_584;
const START_TIMEOUT_MS = 900_000;
const LIVE_TIMEOUT_MS = 600_000;
/** A step of `npm start` waits a minute for a program that an emulated processor may load for longer; the next start goes on from there. */
const STARTS = 8;
const CHECKOUT = "/root/plimsoll";
const PASSWORD = "correct horse battery";
const OPERATOR = { name: "Operator", email: "operator@plimsoll.invalid", password: PASSWORD };
const LIVE = "curl -s -o /dev/null -w '%{http_code}' -m 20 -H 'host: hello-demo.localhost:8080' http://127.0.0.1:8080/";
const KEPT = ["plim apps -o json", "plim builds hello -o json", "plim releases hello -o json", "plim secrets hello -o json"];

interface Listed {
  readonly name?: string;
  readonly version?: number;
  readonly metadata?: { readonly uid: string };
  readonly spec?: unknown;
  readonly status?: { readonly phase?: string; readonly image?: unknown };
}

/** A machine of its own: a whole platform under systemd, from `npm start` in a clone to a reboot and a power cut that nobody helps it through. */
export async function platformMachine(directory: string): Promise<void> {
  const mirror = await startMirror(directory, await freePort());
  const image = await makePlatformImage(directory).catch(async (error) => {
    await mirror.close();
    throw error;
  });
  step("made a Debian machine with systemd, AppArmor, Node 20 and a clone of this checkout");
  const machine = new Machine({ image, directory, memoryMib: MEMORY_MIB, sshPort: await freePort() });
  try {
    await machine.boot();
    const enabled = await machine.sh(
      "cat /sys/module/apparmor/parameters/enabled; grep -c . /sys/kernel/security/apparmor/profiles || true",
    );
    expectThat(enabled.startsWith("Y"), "AppArmor is on", enabled);
    step(`booted; AppArmor enabled, profiles loaded: ${enabled.replace("\n", ", ")}`);

    const claim = await firstStart(machine, mirror.port);
    await holdsUnits(machine);
    await machine.sh(
      `echo '${JSON.stringify({ code: claim, ...OPERATOR })}' | curl -sf -X POST -H 'content-type: application/json' -H 'origin: http://localhost:8080' -d @- http://localhost:8080/api/v1/claim`,
    );
    await machine.sh(`echo '${PASSWORD}' | plim login http://localhost:8080 --email ${OPERATOR.email} --password-file -`);
    await machine.sh("echo of-great-worth | plim secrets set hello TOKEN");
    await untilSecondRelease(machine);
    const before = await kept(machine);
    step("claimed it, logged in with plim, and gave the app a secret");

    let began = performance.now();
    await machine.reboot();
    await livesAgain(machine, before, began, "rebooted by systemd");
    began = performance.now();
    await machine.cutPower();
    await machine.boot();
    await livesAgain(machine, before, began, "its power was cut");
    await deniesNothing(machine);
  } catch (error) {
    console.log(machine.consoleTail());
    const logs = await machine
      .trySh(`tail -n 25 ${CHECKOUT}/.plimsoll/logs/*.log; systemctl --no-pager status plimsoll`)
      .catch(() => undefined);
    console.log(logs?.stdout ?? "");
    throw error;
  } finally {
    await machine.cutPower();
    await mirror.close();
  }
}

/** `npm start` until it says that all is live; the code of its claim link. */
async function firstStart(machine: Machine, mirrorPort: number): Promise<string> {
  const registry = `10.0.2.2:${mirrorPort}`;
  const settings = `PLIMSOLL_REGISTRY_MIRRORS=docker.io=${registry} PLIMSOLL_REGISTRIES_PLAIN_HTTP=${registry} PLIMSOLL_REGISTRIES_ON_HOST=${registry}`;
  for (let attempt = 1; ; attempt++) {
    const began = performance.now();
    const { code, stdout, stderr } = await machine.trySh(`cd ${CHECKOUT} && ${settings} npm start 2>&1`, START_TIMEOUT_MS);
    const [, claim] = /\/claim\/(\S+)/.exec(stdout) ?? [];
    if (code === 0 && claim !== undefined) {
      step(`npm start ended with the sample app live, start ${attempt} after ${seconds(performance.now() - began)}`);
      return claim;
    }
    console.log(`${stdout}${stderr}`);
    expectThat(attempt < STARTS, "npm start brings all up", stdout);
  }
}

async function holdsUnits(machine: Machine): Promise<void> {
  const units = await machine.sh("systemctl is-enabled plimsoll plimsoll-workloads; systemctl is-active plimsoll plimsoll-workloads");
  expectThat(units.split("\n").join(" ") === "enabled enabled active active", "both units are enabled and active", units);
  const answer = await machine.sh(LIVE);
  expectThat(answer === "200", "the sample app answers", answer);
  step("plimsoll.service and plimsoll-workloads.service are enabled and active, and the app answers");
}

/** The secret makes a release, and that a deployment. */
async function untilSecondRelease(machine: Machine): Promise<void> {
  await until("the release with the secret is live", LIVE_TIMEOUT_MS, async () => {
    return /v2 \(live\)/.test((await machine.trySh("plim releases hello")).stdout) ? true : undefined;
  });
}

/** What was made and said, without what is only observed. */
async function kept(machine: Machine): Promise<string> {
  const found: string[] = [];
  for (const command of KEPT) {
    const listed = JSON.parse(await machine.sh(command)) as readonly Listed[];
    found.push(
      ...listed.map(({ name, version, metadata, spec, status }) =>
        JSON.stringify([name, version, metadata?.uid, spec, status?.phase, status?.image]),
      ),
    );
  }
  return found.sort().join("\n");
}

async function livesAgain(machine: Machine, before: string, began: number, what: string): Promise<void> {
  await until("the app answers", LIVE_TIMEOUT_MS, async () => ((await machine.trySh(LIVE)).stdout === "200" ? true : undefined));
  const took = performance.now() - began;
  const up = await machine.sh("cut -d' ' -f1 /proc/uptime");
  const after = await until("plim answers", LIVE_TIMEOUT_MS, () => kept(machine).catch(() => undefined));
  expectThat(after === before, "nothing is lost", `${before}\n---\n${after}`);
  await until("its instance is ready", LIVE_TIMEOUT_MS, async () => {
    const { stdout } = await machine.trySh("plim ps hello");
    return /\bready\b/.test(stdout) ? true : undefined;
  });
  step(`${what}: the app answered after ${seconds(took)}, ${up} s after the kernel began; nothing lost, plim works`);
}

/** What AppArmor refused, the kernel has told. */
async function deniesNothing(machine: Machine): Promise<void> {
  const denied = await machine.sh("journalctl -k --no-pager | grep -c 'apparmor=\"DENIED\"' || true");
  expectThat(denied === "0", "AppArmor denies nothing of ours", denied);
  step("all of it ran with AppArmor on, which denied nothing");
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
