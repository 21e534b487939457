import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LayerRef } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { type CgroupLimits, listNetworkNamespaces, removeNetworkNamespace } from "@plimsoll/host";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type GeneratedSpec, runAltered } from "./test-altered.ts";
import { copyPrograms, type TestRig, testRig } from "./test-rig.ts";

const MIB = 1024 * 1024;
const LIMITS = { cpuMillis: 1_000, memoryBytes: 256 * MIB, pids: 50 };

/** One protection: an attack on it, and what production generates without it. */
interface Row {
  readonly protection: string;
  /** For sh. */
  readonly attack: string;
  /** What comes of it, as a line of its output says. */
  readonly refused: RegExp;
  readonly succeeds: RegExp;
  /** Takes the protection away, and nothing else. */
  readonly without?: (spec: GeneratedSpec) => void;
  /** The same for a limit of the instance's cgroup. */
  readonly unlimited?: keyof CgroupLimits;
  readonly limits?: CgroupLimits;
  readonly user?: string;
  /** Before the attack, with and without the protection: takes away what else would refuse it. */
  readonly given?: (spec: GeneratedSpec) => void;
}

const noSeccomp = (spec: GeneratedSpec) => {
  delete spec.linux.seccomp;
};
const keep = (name: string) => (spec: GeneratedSpec) => {
  const { capabilities } = spec.process;
  for (const set of ["bounding", "effective", "permitted"]) capabilities[set] = [...(capabilities[set] ?? []), name];
};
const withoutNamespace = (type: string) => (spec: GeneratedSpec) => {
  spec.linux.namespaces = spec.linux.namespaces.filter((namespace) => namespace.type !== type);
};
const hostUsers = (spec: GeneratedSpec) => {
  withoutNamespace("user")(spec);
  delete spec.linux.uidMappings;
  delete spec.linux.gidMappings;
};
const withoutOption = (destination: string, option: RegExp) => (spec: GeneratedSpec) => {
  for (const mount of spec.mounts)
    if (mount.destination === destination) mount.options = mount.options.filter((each) => !option.test(each));
};

/** Numbers of system calls that no program of the image makes by itself. */
const CALLS = process.arch === "arm64" ? { clone: 220, setxattr: 5 } : { clone: 56, setxattr: 188 };
const NEW_USER_NAMESPACE = "0x10000000";
/** Its child, in a namespace of its own, is the one that tells. */
const cloned = (call: string) =>
  `perl -e '$p = ${call}; if ($p == 0) { print "cloned\\n" } elsif ($p < 0) { print "refused: $!\\n" } else { wait }'`;

describe("isolation of an instance, each protection with what happens without it", () => {
  let rig: TestRig;
  let tools: LayerRef;
  let hostDir: string;
  let count = 0;

  beforeAll(async () => {
    rig = await testRig();
    hostDir = mkdtempSync(join(tmpdir(), "plimsoll-host-"));
    chmodSync(hostDir, 0o755);
    writeFileSync(join(hostDir, "secret"), "the host's\n", { mode: 0o600 });
    await run(["mknod", "--mode=666", join(hostDir, "kmsg"), "c", "1", "11"]);
    const layer = rig.layers.temporary();
    await copyPrograms(layer.upperDir, ["ip", "perl", "unshare"]);
    copyFileSync("/usr/bin/id", join(layer.upperDir, "usr/bin/id-of-root"));
    chmodSync(join(layer.upperDir, "usr/bin/id-of-root"), 0o4755);
    // Mount points, which the host's root could not make in a tree that is mapped for another.
    for (const dir of ["proc", "sys", "dev", "etc", "host"]) mkdirSync(join(layer.upperDir, dir));
    for (const file of ["hosts", "hostname", "resolv.conf"]) writeFileSync(join(layer.upperDir, "etc", file), "");
    tools = await rig.layers.seal(layer.upperDir);
    await layer.discard();
  });
  afterEach(async () => {
    for (const key of listNetworkNamespaces(rig.layout)) await removeNetworkNamespace(rig.layout, key);
  });
  afterAll(async () => {
    rmSync(hostDir, { recursive: true, force: true });
    await rig.dispose();
  });

  const attack = async (row: Row, limits: CgroupLimits, alter?: (spec: GeneratedSpec) => void) => {
    const { config } = await rig.image({ user: row.user ?? "" });
    const image = await rig.images.put(config, [rig.layer, tools]);
    return runAltered(rig, await rig.instance(`i${count++}`, row.attack, { image }), limits, (spec) => {
      row.given?.(spec);
      alter?.(spec);
    });
  };

  const hostMount = (spec: GeneratedSpec) => spec.mounts.push({ destination: "/host", type: "bind", source: hostDir, options: ["bind"] });

  const rows: readonly Row[] = [
    {
      protection: "seccomp: no namespaces by unshare, in which a user has every capability",
      user: "app",
      attack: "unshare --user --map-root-user --mount --net sh -c 'mount -t tmpfs none /tmp && ip link set lo up && echo mounted'",
      refused: /unshare failed: Operation not permitted/,
      succeeds: /^mounted$/m,
      without: noSeccomp,
    },
    {
      protection: "seccomp: none by clone",
      attack: cloned(`syscall(${CALLS.clone}, ${NEW_USER_NAMESPACE} | 17, 0, 0, 0, 0)`),
      refused: /^refused: Function not implemented$/m,
      succeeds: /^cloned$/m,
      without: noSeccomp,
    },
    {
      protection: "seccomp: none by clone3",
      attack: cloned(`syscall(435, $_ = pack("Q8", ${NEW_USER_NAMESPACE}, 0, 0, 0, 17, 0, 0, 0), 64)`),
      refused: /^refused: Function not implemented$/m,
      succeeds: /^cloned$/m,
      without: noSeccomp,
    },
    {
      protection: "no CAP_SYS_ADMIN: no mounts",
      attack: "mount -t tmpfs none /tmp && echo mounted",
      refused: /permission denied/,
      succeeds: /^mounted$/m,
      given: noSeccomp,
      without: keep("CAP_SYS_ADMIN"),
    },
    {
      protection: "no CAP_NET_ADMIN: no addresses of its own choice",
      attack: "ip addr add 10.9.9.9/32 dev lo && echo added",
      refused: /Operation not permitted/,
      succeeds: /^added$/m,
      without: keep("CAP_NET_ADMIN"),
    },
    {
      protection: "no CAP_NET_RAW: no forged packets",
      attack: `perl -e 'print socket(S, 2, 3, 1) ? "raw\\n" : "refused: $!\\n"'`,
      refused: /^refused: Operation not permitted$/m,
      succeeds: /^raw$/m,
      without: keep("CAP_NET_RAW"),
    },
    {
      protection: "no CAP_SYS_PTRACE: no look into other users' processes",
      attack: `perl -e '$) = $( = 1000; $> = $< = 1000; $| = 1; print "up\\n"; sleep 60' > /tmp/out & while ! grep -q up /tmp/out; do sleep 0.01; done
        head -c 1 /proc/$!/environ > /dev/null && echo read; kill $!`,
      refused: /environ' for reading: Permission denied/,
      succeeds: /^read$/m,
      without: keep("CAP_SYS_PTRACE"),
    },
    {
      protection: "no CAP_SETFCAP: no files that give capabilities",
      attack: `perl -e '@args = ("/usr/bin/id", "security.capability", pack("V5", 0x02000000, 32, 0, 0, 0));
        print syscall(${CALLS.setxattr}, $args[0], $args[1], $args[2], 20, 0) == 0 ? "set\\n" : "refused: $!\\n"'`,
      refused: /^refused: Operation not permitted$/m,
      succeeds: /^set$/m,
      without: keep("CAP_SETFCAP"),
    },
    {
      protection: "no capability for another user than root",
      user: "app",
      attack: "chown app /etc/passwd && echo chowned",
      refused: /Operation not permitted/,
      succeeds: /^chowned$/m,
      without: ({ process: { capabilities } }) => {
        for (const set of ["effective", "permitted", "inheritable", "ambient"]) capabilities[set] = capabilities.bounding ?? [];
      },
    },
    {
      protection: "no new privileges: a setuid program stays its user's",
      user: "app",
      attack: "echo I am $(id-of-root -u)",
      refused: /^I am 1000$/m,
      succeeds: /^I am 0$/m,
      without: (spec) => {
        spec.process.noNewPrivileges = false;
      },
    },
    {
      protection: "masked files of /proc",
      attack: "grep -q CPU0 /proc/interrupts && echo read || echo nothing",
      refused: /^nothing$/m,
      succeeds: /^read$/m,
      without: (spec) => {
        spec.linux.maskedPaths = spec.linux.maskedPaths.filter((path) => path !== "/proc/interrupts");
      },
    },
    {
      protection: "masked directories of /sys",
      attack: '[ -n "$(ls /sys/firmware)" ] && echo listed || echo nothing',
      refused: /^nothing$/m,
      succeeds: /^listed$/m,
      without: (spec) => {
        spec.linux.maskedPaths = spec.linux.maskedPaths.filter((path) => path !== "/sys/firmware");
      },
    },
    {
      protection: "read-only /proc/sys",
      attack: "echo 1 > /proc/sys/net/ipv4/ip_forward && echo forwards",
      refused: /Read-only file system/,
      succeeds: /^forwards$/m,
      given: keep("CAP_NET_ADMIN"),
      without: (spec) => {
        spec.linux.readonlyPaths = [];
      },
    },
    {
      protection: "read-only /sys",
      attack: "echo 1400 > /sys/class/net/lo/mtu && echo changed",
      refused: /Read-only file system/,
      succeeds: /^changed$/m,
      given: keep("CAP_NET_ADMIN"),
      without: withoutOption("/sys", /^ro$/),
    },
    {
      // Whose directories are the host root's: without it the file system's owner still refuses.
      protection: "read-only /sys/fs/cgroup",
      attack: "cd /sys/fs/cgroup; [ -d memory ] && cd memory; mkdir mine",
      refused: /Read-only file system/,
      succeeds: /Permission denied/,
      without: withoutOption("/sys/fs/cgroup", /^ro$/),
    },
    {
      protection: "a cgroup namespace: where the host keeps it is not told",
      attack: "grep -q tenants /proc/self/cgroup && echo told || echo nothing",
      refused: /^nothing$/m,
      succeeds: /^told$/m,
      without: withoutNamespace("cgroup"),
    },
    {
      protection: "a process namespace: no signal reaches the host's processes",
      attack: `kill -0 ${process.pid} && echo reached`,
      refused: /No such process/,
      succeeds: /^reached$/m,
      given: hostUsers,
      without: withoutNamespace("pid"),
    },
    {
      protection: "the namespace's user range: root is nobody to the host's files",
      attack: "cat /host/secret",
      refused: /Permission denied/,
      succeeds: /^the host's$/m,
      given: hostMount,
      without: hostUsers,
    },
    {
      protection: "the namespace's user range: no device nodes",
      attack: "mknod /dev/sda b 8 0 && echo made",
      refused: /Operation not permitted/,
      succeeds: /^made$/m,
      given: keep("CAP_MKNOD"),
      without: hostUsers,
    },
    {
      protection: "the cgroup's devices: a node of the host's, however it came in, cannot be opened",
      attack: "head -c 1 /dev/urandom > /dev/null && : >> /host/kmsg && echo opened",
      refused: /cannot create \/host\/kmsg: Operation not permitted/,
      succeeds: /^opened$/m,
      given: hostMount,
      without: (spec) => {
        delete spec.linux.resources;
      },
    },
    {
      protection: "the size of /dev/shm",
      attack: "head -c 70000000 /dev/zero > /dev/shm/x && echo wrote",
      refused: /No space left/,
      succeeds: /^wrote$/m,
      without: withoutOption("/dev/shm", /^size=/),
    },
    {
      protection: "no core dumps, which would land where the host says",
      attack: "ulimit -c 1000 && echo allowed",
      refused: /error setting limit/,
      succeeds: /^allowed$/m,
      without: ({ process: { rlimits } }) => {
        for (const limit of rlimits) if (limit.type === "RLIMIT_CORE") limit.hard = 1_000_000;
      },
    },
    {
      protection: "the memory limit",
      // The shell tells of its child's end.
      attack: `perl -e '$x = "x" x (96 << 20); print "ate\\n"'; echo after $?`,
      refused: /^after 137$/m,
      succeeds: /^ate\nafter 0$/m,
      limits: { ...LIMITS, memoryBytes: 24 * MIB },
      unlimited: "memoryBytes",
    },
    {
      protection: "the limit of processes",
      attack: `perl -e 'for (1..40) { $p = fork; if (!defined $p) { print "refused at $_: $!\\n"; last } sleep(60), exit if $p == 0; $n++; push @c, $p }
        print "forked all\\n" if $n == 40; kill 9, @c'`,
      refused: /^refused at \d+: Resource temporarily unavailable$/m,
      succeeds: /^forked all$/m,
      limits: { ...LIMITS, pids: 12 },
      unlimited: "pids",
    },
    {
      protection: "the share of the processors",
      // 0.3 s of one within 5 to 6 s: thrice what 2 % give, and as much as is left beside thirty busy programs.
      attack: `perl -e '$end = time + 6;
        while (1) { ($own, $kernel) = times; print("had it\\n"), last if $own + $kernel > 0.3; print("held back\\n"), last if time >= $end }'`,
      refused: /^held back$/m,
      succeeds: /^had it$/m,
      limits: { ...LIMITS, cpuMillis: 20 },
      unlimited: "cpuMillis",
    },
  ];

  it.each(rows)("$protection", async (row) => {
    const limits = row.limits ?? LIMITS;
    const fewer = { ...limits };
    if (row.unlimited !== undefined) delete fewer[row.unlimited];
    const [guarded, bare] = await Promise.all([attack(row, limits), attack(row, fewer, row.without)]);
    expect(guarded).toMatch(row.refused);
    expect(guarded).not.toMatch(row.succeeds);
    expect(bare).toMatch(row.succeeds);
    expect(bare).not.toMatch(row.refused);
  });
});
