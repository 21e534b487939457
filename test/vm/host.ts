import { readFileSync } from "node:fs";
import { WORKLOADS_CGROUP } from "../../scripts/platform/systemd.ts";
import { api, inDemo } from "../support/api.ts";
import { createApp } from "../support/app.ts";
import { insidePlatform, type Platform, startPlatform } from "../support/platform.ts";
import { BUILD_IO_BYTES, holdsBuildsToTheirLimits } from "./builds.ts";
import { cpuShare, readCgroup } from "./cgroups.ts";
import { Machine } from "./machine.ts";
import { makeHostImage } from "./make-image.ts";
import { expectThat, step, until } from "./steps.ts";

const MEMORY_BYTES = 256 * 1024 * 1024;
const INSTANCE_PIDS = 1024;
const STEP_TIMEOUT_MS = 300_000;
const MEMORY_MIB = 2_048;
/** Of the platform's own network. */
const SSH_PORT = 2_022;
const FILES = {
  busybox: readFileSync("/bin/busybox"),
  Dockerfile: `FROM scratch
COPY --chmod=755 busybox /bin/busybox
COPY eater /eater
CMD ["/bin/busybox", "sh", "/eater"]
`,
  // As many processes as it gets, then all processor time that it gets, and when it is told to all memory.
  eater: `trap "grow=1" USR1
echo up
( i=0; while [ $i -lt 1500 ]; do /bin/busybox sleep 900 & i=$((i+1)); done )
while [ -z "$grow" ]; do :; done
exec /bin/busybox dd if=/dev/zero of=/dev/null bs=1G count=1
`,
};

interface InstanceObject {
  readonly metadata: { readonly uid: string };
  readonly spec: { readonly host: string };
  readonly status: { readonly phase: string; readonly restarts: number; readonly lastExit?: { readonly outOfMemory: boolean } };
}

/** A machine that joins a platform of this one: its instances, its builds, and its power. */
export async function joinedHost(directory: string): Promise<void> {
  const { platform, stop } = await startPlatform({ settings: () => ({ PLIMSOLL_AGENT_LISTEN: "127.0.0.1:7443" }) });
  let machine: Machine | undefined;
  try {
    const { command } = await api<{ command: string }>(platform, "POST", "/api/v1/host-tokens");
    // qemu's user network shows the machine's loopback at 10.0.2.2.
    const image = await makeHostImage(directory, {
      processes: "agent",
      mode: "production",
      httpPort: 8080,
      sshPort: 2222,
      hostName: "vm",
      server: "https://10.0.2.2:7443",
      settings: {
        PLIMSOLL_ROLES: "build,run",
        PLIMSOLL_ADDRESS: "10.0.2.15",
        PLIMSOLL_CGROUP_PARENT: WORKLOADS_CGROUP,
        PLIMSOLL_BUILD_IO_BYTES: String(BUILD_IO_BYTES),
      },
      enrollToken: /--token (\S+)/.exec(command)?.[1] ?? "",
      code: "vm",
      portalCode: "",
    });
    step("made a Debian machine with systemd, Debian's cloud kernel and the units of a joined host");

    machine = new Machine({
      image,
      directory,
      memoryMib: MEMORY_MIB,
      sshPort: SSH_PORT,
      inside: (argv) => insidePlatform(platform, argv),
    });
    await machine.boot();
    await untilPhase(platform, "ready");
    step("booted and joined by mutual TLS, its agent under the supervisor and that under systemd");

    // What is left of the platform's own machine is the control plane: from here on everything is built and run in the other one.
    await api(platform, "DELETE", inDemo("/apps/hello"));
    await api(platform, "PATCH", "/api/v1/hosts/this-host", { schedulable: false });
    await holdsInstancesToTheirLimits(platform, machine);
    await holdsBuildsToTheirLimits(platform, machine);

    await machine.cutPower();
    await untilPhase(platform, "unreachable");
    await machine.boot();
    await untilPhase(platform, "ready");
    step("came back by itself after its power was cut");
  } catch (error) {
    console.log(machine?.consoleTail() ?? "");
    console.log((await machine?.trySh("tail -n 30 /var/lib/plimsoll/logs/*.log").catch(() => undefined))?.stdout ?? "");
    throw error;
  } finally {
    await machine?.cutPower();
    await stop();
  }
}

async function untilPhase(platform: Platform, wanted: string): Promise<void> {
  await until(`the machine is ${wanted}`, STEP_TIMEOUT_MS, async () => {
    const { items } = await api<{ items: { metadata: { name: string }; status: { phase: string } }[] }>(platform, "GET", "/api/v1/hosts");
    return items.find(({ metadata }) => metadata.name === "vm")?.status.phase === wanted || undefined;
  });
}

async function holdsInstancesToTheirLimits(platform: Platform, machine: Machine): Promise<void> {
  const process_ = { replicas: 1, cpuMillis: 250, memoryBytes: MEMORY_BYTES, readiness: { kind: "none" }, stopGraceMs: 1_000 };
  await api(platform, "POST", inDemo("/apps"), { name: "eater", spec: { processes: { web: process_ } } });
  const app = await createApp(platform, "eater");
  const pushed = await app.push(FILES);
  await app.close();
  expectThat(pushed.code === 0, "the push is taken", pushed.text);
  const instance = async () => (await api<{ items: InstanceObject[] }>(platform, "GET", inDemo("/instances?app=eater"))).items[0];
  const { metadata, spec } = await until("an instance runs in the machine", STEP_TIMEOUT_MS, async () => {
    const found = await instance();
    return found?.status.phase === "ready" ? found : undefined;
  });
  expectThat(spec.host === "vm", "the instance is in the machine", spec);
  step("built and started an instance through the real agent");

  const cgroup = await machine.sh(`echo /sys/fs/cgroup${WORKLOADS_CGROUP}/plimsoll-*/tenants/*/run/${metadata.uid}*`);
  const limits = await readCgroup(machine, cgroup, ["memory.max", "cpu.max", "pids.max"]);
  expectThat(limits === `${MEMORY_BYTES} 25000 100000 ${INSTANCE_PIDS}`, "cgroup v2 holds the limits that were asked for", limits);
  step(`cgroup v2 holds its limits: memory.max, cpu.max, pids.max = ${limits}`);

  const refused = await until("a refused start", STEP_TIMEOUT_MS, async () => {
    const [count = 0, times = 0] = (await readCgroup(machine, cgroup, ["pids.current", "pids.events"])).split(" max ").map(Number);
    return times > 0 ? { count, times } : undefined;
  });
  expectThat(refused.count <= INSTANCE_PIDS, "never more processes than its limit", refused);
  step(`was refused a process beyond its limit, with ${refused.count} running`);

  const share = await cpuShare(machine, cgroup);
  expectThat(share > 0.15 && share < 0.3, "a busy instance has a quarter of a processor", share);
  await machine.sh(`for g in ${cgroup} ${cgroup}/../..; do echo max > $g/cpu.max; done`);
  const free = await cpuShare(machine, cgroup);
  expectThat(free > 0.5, "without cpu.max it takes what there is", free);
  step(`had ${share.toFixed(2)} of a processor, and ${free.toFixed(2)} once its cpu.max was taken away`);

  await machine.sh("pkill -USR1 -f '^/bin/busybox sh /eater'");
  await until("a restart after running out of memory", STEP_TIMEOUT_MS, async () => {
    const status = (await instance())?.status;
    return status?.lastExit?.outOfMemory === true && status.restarts > 0 ? true : undefined;
  });
  step("ran out of memory, which was recorded, and was restarted");
  await app.remove();
}
