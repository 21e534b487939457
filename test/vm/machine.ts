import { once } from "node:events";
import { createWriteStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { type ChildProcess, minimalEnv, type Output, run, start } from "@plimsoll/exec";
import { until } from "./steps.ts";

/** An emulated processor is some twenty times slower than a real one. */
const BOOT_TIMEOUT_MS = 300_000;
const COMMAND_TIMEOUT_MS = 120_000;
const CONNECT_SECONDS = 60;
const CONSOLE_SHOWN = 4_000;

export interface VmImage {
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
  /** Private half of the key that its root lets in. */
  readonly sshKey: string;
}

export interface MachineOptions {
  readonly image: VmImage;
  readonly directory: string;
  readonly memoryMib: number;
  /** Of loopback: where its SSH is reached. */
  readonly sshPort: number;
  /** argv that runs a program where the machine's network ends; absent: here. */
  readonly inside?: (argv: readonly string[]) => readonly string[];
}

/** A virtual machine of Debian's with systemd and cgroup v2 alone, under qemu, and root's shell in it. */
export class Machine {
  readonly #options: MachineOptions;
  readonly #console: string;
  #qemu: ChildProcess | undefined;

  constructor(options: MachineOptions) {
    this.#options = options;
    this.#console = join(options.directory, "console.log");
  }

  /** Switches it on; resolves when it can be logged in to. */
  async boot(): Promise<void> {
    const qemu = await start(this.#inside(this.#argv()), { stdio: ["ignore", "pipe", "inherit"] });
    qemu.stdout?.pipe(createWriteStream(this.#console, { flags: "a" }));
    this.#qemu = qemu;
    await this.untilUp();
  }

  async untilUp(): Promise<void> {
    await until("a login", BOOT_TIMEOUT_MS, async () => {
      if (this.#qemu?.exitCode !== null) throw new Error(`the machine ended:\n${this.consoleTail()}`);
      return (await this.trySh("true").catch(() => undefined))?.code === 0 ? true : undefined;
    });
  }

  /** Has systemd reboot it, and resolves when it can be logged in to again. */
  async reboot(): Promise<void> {
    const before = await this.bootId();
    await this.trySh("systemctl reboot");
    await this.#ssh(["-O", "exit", GUEST], COMMAND_TIMEOUT_MS);
    await until("another boot", BOOT_TIMEOUT_MS, async () => {
      const found = await this.trySh("cat /proc/sys/kernel/random/boot_id").catch(() => undefined);
      return found?.code === 0 && found.stdout.trim() !== before ? true : undefined;
    });
  }

  /** Runs a shell script as root; throws unless it ends with 0. */
  async sh(script: string, timeoutMs = COMMAND_TIMEOUT_MS): Promise<string> {
    const { code, stdout, stderr } = await this.trySh(script, timeoutMs);
    if (code !== 0) throw new Error(`in the machine, exit ${code}: ${script}\n${stdout.slice(-3_000)}${stderr.slice(-3_000)}`);
    return stdout.trim();
  }

  /** Runs a shell script as root, whatever it ends with. */
  trySh(script: string, timeoutMs = COMMAND_TIMEOUT_MS): Promise<Output> {
    return this.#ssh([GUEST, script], timeoutMs);
  }

  /** One that changes with every boot (random(4)). */
  bootId(): Promise<string> {
    return this.sh("cat /proc/sys/kernel/random/boot_id");
  }

  async cutPower(): Promise<void> {
    const qemu = this.#qemu;
    if (qemu === undefined || qemu.exitCode !== null || qemu.signalCode !== null) return;
    const off = once(qemu, "exit");
    qemu.kill("SIGKILL");
    await off;
  }

  consoleTail(): string {
    try {
      return readFileSync(this.#console, "utf8").slice(-CONSOLE_SHOWN);
    } catch {
      return "";
    }
  }

  #ssh(words: readonly string[], timeoutMs: number): Promise<Output> {
    const { image, sshPort } = this.#options;
    const settings = [
      ...["BatchMode=yes", "IdentitiesOnly=yes", `ConnectTimeout=${CONNECT_SECONDS}`, "LogLevel=ERROR", "ServerAliveInterval=30"],
      ...["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"],
      // One handshake for many commands, as it takes an emulated processor seconds; it ends with the machine.
      ...["ControlMaster=auto", "ControlPersist=600", `ControlPath=${join(this.#options.directory, "ssh-%p")}`],
    ];
    const flags = settings.flatMap((setting) => ["-o", setting]);
    const argv = ["ssh", "-F", "/dev/null", "-i", image.sshKey, "-p", `${sshPort}`, ...flags];
    return run(this.#inside([...argv, ...words]), { timeoutMs, env: minimalEnv, okCodes: ANY_CODE });
  }

  #inside(argv: readonly string[]): readonly string[] {
    return this.#options.inside?.(argv) ?? argv;
  }

  #argv(): readonly string[] {
    const { image, memoryMib, sshPort } = this.#options;
    return [
      ...["qemu-system-x86_64", "-cpu", "max", "-m", `${memoryMib}`, "-smp", PROCESSORS, "-nographic"],
      ...["-kernel", image.kernel, "-initrd", image.initrd],
      ...["-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 systemd.unified_cgroup_hierarchy=1 loglevel=4"],
      ...["-drive", `file=${image.disk},format=raw,if=virtio,cache=writeback`],
      ...["-netdev", `user,id=n,hostfwd=tcp:127.0.0.1:${sshPort}-:22`, "-device", "virtio-net-pci,netdev=n"],
    ];
  }
}

const GUEST = "root@127.0.0.1";
const ANY_CODE = Array.from({ length: 256 }, (_, code) => code);
/** PLIMSOLL_VM_CPUS: each keeps a processor of this machine busy. */
const PROCESSORS = process.env.PLIMSOLL_VM_CPUS || "2";
