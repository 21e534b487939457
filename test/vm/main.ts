/**
 * `npm run test:vm`: what this machine's kernel lacks. Boots Debian's cloud kernel with systemd and pure cgroup v2 under qemu (software
 * emulation), joins it to a real platform by mutual TLS, starts one instance there through the real agent, reads its limits from the kernel,
 * lets it run out of memory and sees it restarted; then cuts the power, and sees the machine come back.
 */
import { once } from "node:events";
import { createWriteStream, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { start } from "@plimsoll/exec";
import { WORKLOADS_CGROUP } from "../../scripts/platform/systemd.ts";
import { api, inDemo } from "../support/api.ts";
import { createApp } from "../support/app.ts";
import { insidePlatform, startPlatform } from "../support/platform.ts";
import { makeVmImage } from "./make-image.ts";

const MEMORY_BYTES = 64 * 1024 * 1024;
const BOOT_TIMEOUT_MS = 180_000;
const STEP_TIMEOUT_MS = 240_000;
const LIBRARIES = "/lib/x86_64-linux-gnu/libc.so.6";
/** A few programs of Debian's and nothing else, so that little has to be moved into an emulated machine. */
const DOCKERFILE = `FROM debian:bookworm-slim AS debian
FROM scratch
COPY --from=debian /bin/dash /bin/sleep /usr/bin/tail /bin/
COPY --from=debian ${LIBRARIES} ${LIBRARIES}
COPY --from=debian /lib64/ld-linux-x86-64.so.2 /lib64/
CMD ["/bin/dash", "-c", "echo up; sleep 60; exec tail /dev/zero"]
`;

interface InstanceObject {
  readonly spec: { readonly host: string };
  readonly status: { readonly phase: string; readonly restarts: number; readonly lastExit?: { readonly outOfMemory: boolean } };
}

let passed = 0;
function step(text: string): void {
  passed++;
  console.log(`  ✔ ${text}`);
}

async function until<T>(what: string, timeoutMs: number, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs / 1000} s`);
    await sleep(500);
  }
}

async function main(): Promise<void> {
  const directory = process.env.PLIMSOLL_VM_DIR ?? (await mkdtemp(join(tmpdir(), "plimsoll-vm-")));
  const { platform, stop } = await startPlatform({ settings: () => ({ PLIMSOLL_AGENT_LISTEN: "127.0.0.1:7443" }) });
  let machine: Awaited<ReturnType<typeof start>> | undefined;
  const consoleLog = join(directory, "console.log");
  try {
    const { command } = await api<{ command: string }>(platform, "POST", "/api/v1/host-tokens");
    const token = /--token (\S+)/.exec(command)?.[1] ?? "";
    // qemu's user network shows the machine's loopback at 10.0.2.2.
    const image = await makeVmImage(directory, {
      processes: "agent",
      mode: "production",
      httpPort: 8080,
      sshPort: 2222,
      hostName: "vm",
      server: "https://10.0.2.2:7443",
      settings: { PLIMSOLL_ROLES: "run", PLIMSOLL_ADDRESS: "10.0.2.15", PLIMSOLL_CGROUP_PARENT: WORKLOADS_CGROUP },
      enrollToken: token,
      code: "vm",
      portalCode: "",
    });
    step("made a Debian machine with systemd, Debian's cloud kernel and the units of a joined host");

    const boot = async () => {
      const booted = await start(insidePlatform(platform, qemu(image)), { stdio: ["ignore", "pipe", "inherit"] });
      booted.stdout?.pipe(createWriteStream(consoleLog, { flags: "a" }));
      return booted;
    };
    const phase = async () => {
      const { items } = await api<{ items: { metadata: { name: string }; status: { phase: string } }[] }>(platform, "GET", "/api/v1/hosts");
      return items.find(({ metadata }) => metadata.name === "vm")?.status.phase;
    };
    machine = await boot();
    await until("the machine joins", BOOT_TIMEOUT_MS, async () => (await phase()) === "ready" || undefined);
    step("booted and joined by mutual TLS, its agent under the supervisor and that under systemd");

    const process_ = { replicas: 2, cpuMillis: 250, memoryBytes: MEMORY_BYTES, readiness: { kind: "none" }, stopGraceMs: 1_000 };
    await api(platform, "POST", inDemo("/apps"), { name: "eater", spec: { processes: { web: process_ } } });
    const app = await createApp(platform, "eater");
    const pushed = await app.push({ Dockerfile: DOCKERFILE });
    await app.close();
    if (pushed.code !== 0) throw new Error(`the push failed:\n${pushed.text}`);
    const onVm = async () =>
      (await api<{ items: InstanceObject[] }>(platform, "GET", inDemo("/instances?app=eater"))).items.find(
        ({ spec }) => spec.host === "vm",
      );
    await until("an instance runs in the machine", STEP_TIMEOUT_MS, async () =>
      (await onVm())?.status.phase === "ready" ? true : undefined,
    );
    step("started an instance through the real agent; its image came over the API");

    const limits = await until(
      "the kernel's limits",
      STEP_TIMEOUT_MS,
      async () => /LIMITS ([^\r\n]+)/.exec(readFileSync(consoleLog, "utf8"))?.[1],
    );
    if (limits !== `${MEMORY_BYTES} 25000 100000 1024`) throw new Error(`cgroup v2 holds other limits than asked for: ${limits}`);
    step(`cgroup v2 holds its limits: memory.max, cpu.max, pids.max = ${limits}`);

    await until("a restart after running out of memory", STEP_TIMEOUT_MS, async () => {
      const status = (await onVm())?.status;
      return status?.lastExit?.outOfMemory === true && status.restarts > 0 ? true : undefined;
    });
    step("ran out of memory, which was recorded, and was restarted");

    const off = once(machine, "exit");
    machine.kill("SIGKILL");
    await off;
    await until("the machine is missed", STEP_TIMEOUT_MS, async () => (await phase()) === "unreachable" || undefined);
    machine = await boot();
    await until("the machine is back", BOOT_TIMEOUT_MS, async () => (await phase()) === "ready" || undefined);
    step("came back by itself after its power was cut");
  } catch (error) {
    console.log(readTail(consoleLog));
    throw error;
  } finally {
    machine?.kill("SIGKILL");
    await stop();
    if (process.env.PLIMSOLL_VM_DIR === undefined) await rm(directory, { recursive: true, force: true });
  }
}

function qemu({ disk, kernel, initrd }: { readonly disk: string; readonly kernel: string; readonly initrd: string }): readonly string[] {
  return [
    ...["qemu-system-x86_64", "-cpu", "max", "-m", "1536", "-smp", "2", "-nographic", "-no-reboot"],
    ...["-kernel", kernel, "-initrd", initrd],
    ...["-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 systemd.unified_cgroup_hierarchy=1 loglevel=4"],
    ...["-drive", `file=${disk},format=raw,if=virtio`, "-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n"],
  ];
}

function readTail(file: string): string {
  try {
    return readFileSync(file, "utf8").slice(-4_000);
  } catch {
    return "";
  }
}

try {
  await main();
  console.log(`${passed} passed, 0 failed`);
} catch (error) {
  console.log(error instanceof Error ? error.message : String(error));
  console.log(`${passed} passed, 1 failed`);
  process.exitCode = 1;
}
