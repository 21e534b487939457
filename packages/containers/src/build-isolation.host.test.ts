import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { LayerRef } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { inPrivateMountNamespace, listNetworkNamespaces, removeNetworkNamespace } from "@plimsoll/host";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { crunArgv } from "./conmon.ts";
import { bundleOf, type SandboxRequest } from "./sandbox.ts";
import { makeBundle } from "./snapshot-launch.ts";
import type { GeneratedSpec } from "./test-altered.ts";
import { copyPrograms, type TestRig, testRig } from "./test-rig.ts";

/** One protection of a build's commands: an attack on it, and what production generates without it. */
interface Row {
  readonly protection: string;
  /** For sh. */
  readonly attack: string | (() => string);
  readonly user?: string;
  readonly refused: RegExp;
  readonly succeeds: RegExp;
  /** Takes the protection away, and nothing else. */
  readonly without: (spec: GeneratedSpec) => void;
  /** Before the attack, with and without the protection: takes away what else would refuse it. */
  readonly given?: (spec: GeneratedSpec) => void;
}

const BUILD = "tenants/ns/build/b1";
const ANY_CODE = Array.from({ length: 256 }, (_, code) => code);

const all =
  (...changes: readonly ((spec: GeneratedSpec) => void)[]) =>
  (spec: GeneratedSpec) => {
    for (const change of changes) change(spec);
  };
const noSeccomp = (spec: GeneratedSpec) => {
  delete spec.linux.seccomp;
};
const noDeviceRules = (spec: GeneratedSpec) => {
  delete spec.linux.resources;
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

describe("isolation of a build's command, each protection with what happens without it", () => {
  let rig: TestRig;
  let tools: LayerRef;
  let hostDir: string;
  let server: Server;
  let port: number;
  let count = 0;

  beforeAll(async () => {
    rig = await testRig();
    hostDir = mkdtempSync(join(tmpdir(), "plimsoll-host-"));
    chmodSync(hostDir, 0o755);
    writeFileSync(join(hostDir, "secret"), "the host's\n", { mode: 0o600 });
    const layer = rig.layers.temporary();
    await copyPrograms(layer.upperDir, ["perl", "unshare"]);
    copyFileSync("/usr/bin/id", join(layer.upperDir, "usr/bin/id-of-root"));
    chmodSync(join(layer.upperDir, "usr/bin/id-of-root"), 0o4755);
    for (const dir of ["proc", "sys", "dev", "etc", "host"]) mkdirSync(join(layer.upperDir, dir));
    for (const file of ["hosts", "hostname", "resolv.conf"]) writeFileSync(join(layer.upperDir, "etc", file), "");
    tools = await rig.layers.seal(layer.upperDir);
    await layer.discard();
    server = createServer((socket) => socket.end("the host's\n"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    port = typeof address === "object" && address !== null ? address.port : 0;
  });
  afterEach(async () => {
    for (const key of listNetworkNamespaces(rig.layout)) await removeNetworkNamespace(rig.layout, key);
  });
  afterAll(async () => {
    server.close();
    rmSync(hostDir, { recursive: true, force: true });
    await rig.dispose();
  });

  /** Answers all that the command says in the container that production would make of it, but for `alter`. */
  const command = async (script: string, user: string, alter: (spec: GeneratedSpec) => void): Promise<string> => {
    const { layout, cgroups, layers } = rig;
    const id = `b1-${count++}`;
    const { userNamespace, networkNamespace } = await rig.instance(id, "");
    cgroups.ensure(BUILD, { cpuMillis: 2_000, memoryBytes: 256 * 1024 ** 2, pids: 50 });
    const temporary = layers.temporary();
    // What a layer that came in by no way of ours could hold.
    const hostile = join(temporary.dir, "hostile");
    mkdirSync(hostile);
    await run(["mknod", "--mode=666", join(hostile, "kmsg"), "c", "1", "11"]);
    const request: SandboxRequest = {
      layout,
      cgroups,
      id,
      layers: [layers.dirOf(rig.layer.digest), layers.dirOf(tools.digest), hostile],
      upperDir: temporary.upperDir,
      workDir: temporary.workDir,
      userNamespace,
      networkNamespace,
      cgroupPath: BUILD,
      args: ["sh", "-c", script],
      env: [],
      user,
      cwd: "/",
      onOutput: () => undefined,
    };
    const bundleDir = join(layout.bundlesDir, id);
    cgroups.ensure(`${BUILD}/${id}`);
    try {
      const { stdout, stderr } = await inPrivateMountNamespace(() => {
        makeBundle(bundleOf(request, `${BUILD}/${id}`, bundleDir));
        const config = join(bundleDir, "config.json");
        const spec: GeneratedSpec = JSON.parse(readFileSync(config, "utf8"));
        alter(spec);
        writeFileSync(config, JSON.stringify(spec));
        return run(crunArgv(layout.crunDir, "run", "--bundle", bundleDir, id), { okCodes: ANY_CODE, timeoutMs: 50_000 });
      });
      return stdout + stderr;
    } finally {
      await cgroups.killAll(`${BUILD}/${id}`);
      await run(crunArgv(layout.crunDir, "delete", "--force", id), { okCodes: [0, 1] });
      await cgroups.remove(`${BUILD}/${id}`);
      rmSync(bundleDir, { recursive: true, force: true });
      await temporary.discard();
    }
  };

  const hostMount = (spec: GeneratedSpec) => spec.mounts.push({ destination: "/host", type: "bind", source: hostDir, options: ["bind"] });

  const rows: readonly Row[] = [
    {
      protection: "the namespace's user range: root of a build is nobody to the host's files",
      attack: "cat /host/secret",
      refused: /Permission denied/,
      succeeds: /^the host's$/m,
      given: hostMount,
      without: hostUsers,
    },
    {
      protection: "a process namespace: /proc leads to no root of a process of the host",
      attack: () => `cat /proc/${process.pid}/root${hostDir}/secret`,
      refused: /No such file/,
      succeeds: /^the host's$/m,
      given: all(hostUsers, keep("CAP_SYS_PTRACE")),
      without: withoutNamespace("pid"),
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
      protection: "a network of the build's own: the host's loopback is not its",
      attack: () =>
        `perl -e 'socket(S, 2, 1, 0); connect(S, pack("SnC4x8", 2, ${port}, 127, 0, 0, 1)) or print("refused: $!\\n"), exit; print <S>'`,
      refused: /^refused: /m,
      succeeds: /^the host's$/m,
      // Of the host's network it may set nothing, and see no /sys: both would end the container before the attack.
      without: all(withoutNamespace("network"), (spec) => {
        delete spec.linux.sysctl;
        for (const mount of [...spec.mounts]) if (mount.destination.startsWith("/sys")) spec.mounts.splice(spec.mounts.indexOf(mount), 1);
      }),
    },
    {
      protection: "no device nodes, not of the disk",
      attack: "mknod /dev/disk b 8 0 && echo made",
      refused: /Operation not permitted/,
      succeeds: /^made$/m,
      given: keep("CAP_MKNOD"),
      without: hostUsers,
    },
    {
      protection: "the cgroup's devices: /dev/kmsg as a node in a layer cannot be opened",
      attack: ": >> /kmsg && echo opened",
      refused: /Operation not permitted/,
      succeeds: /^opened$/m,
      without: noDeviceRules,
    },
    {
      protection: "the cgroup's devices: nor one that the command could make itself",
      attack: "mknod /dev/kmsg c 1 11 && : >> /dev/kmsg && echo opened",
      refused: /Operation not permitted/,
      succeeds: /^opened$/m,
      given: all(hostUsers, keep("CAP_MKNOD")),
      without: noDeviceRules,
    },
    {
      protection: "no CAP_SYS_ADMIN: no mounts over anything",
      attack: "mount -t tmpfs none /tmp && echo mounted",
      refused: /permission denied/,
      succeeds: /^mounted$/m,
      given: noSeccomp,
      without: keep("CAP_SYS_ADMIN"),
    },
    {
      protection: "seccomp: no user namespace in which a user has every capability",
      user: "app",
      attack: "unshare --user --map-root-user --mount sh -c 'mount -t tmpfs none /tmp && echo mounted'",
      refused: /unshare failed: Operation not permitted/,
      succeeds: /^mounted$/m,
      without: noSeccomp,
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
      protection: "a cgroup namespace: where the host keeps it is not told",
      attack: "grep -q tenants /proc/self/cgroup && echo told || echo nothing",
      refused: /^nothing$/m,
      succeeds: /^told$/m,
      without: withoutNamespace("cgroup"),
    },
  ];

  it.each(rows)("$protection", async (row) => {
    const attack = (alter: (spec: GeneratedSpec) => void) =>
      command(typeof row.attack === "string" ? row.attack : row.attack(), row.user ?? "", alter);
    const given = row.given ?? (() => undefined);
    const [guarded, bare] = await Promise.all([attack(given), attack(all(given, row.without))]);
    expect(guarded).toMatch(row.refused);
    expect(guarded).not.toMatch(row.succeeds);
    expect(bare).toMatch(row.succeeds);
  });

  it("the store is root's alone: a setuid program of an image makes nobody root on the host", async () => {
    const program = join(rig.layers.dirOf(tools.digest), "usr/bin/id-of-root");
    // By a program between: setpriv itself keeps its capabilities until it starts one.
    const asNobody = () =>
      run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", 'exec "$0" -u', program], { okCodes: ANY_CODE });
    expect((await asNobody()).stdout).toBe("");
    // The same where the directories above it let everybody through.
    const above: string[] = [];
    for (let dir = dirname(program); dir.startsWith(dirname(rig.layout.stateDir)); dir = dirname(dir)) above.push(dir);
    above.push(dirname(dirname(rig.layout.stateDir)));
    for (const dir of above) chmodSync(dir, 0o755);
    expect((await asNobody()).stdout).toBe("0\n");
  });
});
