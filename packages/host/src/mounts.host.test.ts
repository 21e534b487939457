import { chownSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { run } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureHostLayout, removeHostLayout } from "./host-directories.ts";
import { type HostLayout, hostLayout } from "./layout.ts";
import { inPrivateMountNamespace, isMountPoint, mountOverlay, mountsBelow } from "./mounts.ts";
import { ensureNetworkNamespace, ensureUserNamespace, listNetworkNamespaces, removeNetworkNamespace } from "./namespaces.ts";
import { asFileSystemUser, MS, mount } from "./syscalls.ts";

const UID_BASE = 3_000_000;

describe("mounts and namespaces of a host layout", () => {
  let dataDir: string;
  let layout: HostLayout;

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "host-"));
    layout = hostLayout({ name: "test", dataDir });
    await ensureHostLayout(layout);
  });
  afterEach(async () => {
    await removeHostLayout(layout);
    rmSync(dataDir, { recursive: true, force: true });
  });

  it("is made once, and removed without a trace", async () => {
    const before = mountsBelow("/run/plimsoll").length;
    await ensureHostLayout(layout);
    expect(mountsBelow("/run/plimsoll").length).toBe(before);
    expect(isMountPoint(layout.stateDir)).toBe(true);
    expect(statSync(layout.bundlesDir).mode & 0o777).toBe(0o700);
    await ensureUserNamespace(layout, "ns", { uidBase: UID_BASE });
    await ensureNetworkNamespace(layout, "i1");
    await removeHostLayout(layout);
    expect(existsSync(layout.runDir)).toBe(false);
    expect(existsSync(layout.stateDir)).toBe(false);
    expect(listNetworkNamespaces(layout)).toEqual([]);
    await removeHostLayout(layout);
  });

  it("pins a user namespace with its range, once for concurrent calls", async () => {
    const [path, again] = await Promise.all([
      ensureUserNamespace(layout, "ns", { uidBase: UID_BASE }),
      ensureUserNamespace(layout, "ns", { uidBase: UID_BASE }),
    ]);
    expect(again).toBe(path);
    const map = await run(["nsenter", `--user=${path}`, "cat", "/proc/self/uid_map"]);
    expect(map.stdout.trim().split(/\s+/)).toEqual(["0", String(UID_BASE), "65536"]);
    expect(mountsBelow(path)).toEqual([path]);
  });

  it("makes a network namespace of the user namespace, for `ip -n` and nsenter, with lo up", async () => {
    const userns = await ensureUserNamespace(layout, "ns", { uidBase: UID_BASE });
    const path = await ensureNetworkNamespace(layout, "i1", userns);
    expect((await run(["ip", "-n", basename(path), "-br", "link", "show", "lo"])).stdout).toMatch(/^lo\s+UNKNOWN/);
    // Its owner may mount its sysfs: what a container of the range does.
    const mountSysfs = ["nsenter", `--user=${userns}`, "--setuid=0", "--setgid=0", "--", "nsenter", `--net=${path}`];
    await run([...mountSysfs, "unshare", "--mount", "mount", "-t", "sysfs", "sysfs", "/sys"]);
    // The control: a network namespace of the host's user namespace refuses.
    const foreign = await ensureNetworkNamespace(layout, "i2");
    await expect(
      run([
        "nsenter",
        `--net=${foreign}`,
        `--user=${userns}`,
        "--setuid=0",
        "--setgid=0",
        "--",
        "unshare",
        "--mount",
        "mount",
        "-t",
        "sysfs",
        "sysfs",
        "/sys",
      ]),
    ).rejects.toThrow(/denied|permitted/);
    await removeNetworkNamespace(layout, "i1");
    expect(listNetworkNamespaces(layout)).toEqual(["i2"]);
  });

  const snapshot = () => {
    const layers = ["bottom", "top"].map((name) => {
      const dir = join(layout.layersDir, name);
      mkdirSync(join(dir, "etc"), { recursive: true });
      writeFileSync(join(dir, "etc", name), name);
      chownSync(join(dir, "etc", name), 33, 33);
      return dir;
    });
    const upperDir = join(layout.snapshotsDir, "i1/fs");
    const workDir = join(layout.snapshotsDir, "i1/work");
    mkdirSync(upperDir, { recursive: true });
    mkdirSync(workDir);
    return { layers, upperDir, workDir };
  };

  it("mounts a snapshot that stores container-side ids, seen by nobody outside", async () => {
    const usernsPath = await ensureUserNamespace(layout, "ns", { uidBase: UID_BASE });
    const { layers, upperDir, workDir } = snapshot();
    const seen = inPrivateMountNamespace(() => {
      mount("tmpfs", layout.mountsDir, "tmpfs", MS.noDev, "mode=0711");
      const root = mountOverlay({ layers, upper: { upperDir, workDir }, usernsPath, uidBase: UID_BASE, scratch: layout.mountsDir });
      const owner = statSync(join(root, "etc/bottom")).uid;
      const text = readFileSync(join(root, "etc/top"), "utf8");
      // The host's root has no id in there and can make nothing; the container's root can.
      expect(() => writeFileSync(join(root, "by-host-root"), "x")).toThrow(/EOVERFLOW/);
      asFileSystemUser(UID_BASE, () => writeFileSync(join(root, "by-container-root"), "x"));
      chownSync(join(root, "etc/bottom"), UID_BASE + 1000, UID_BASE + 1000);
      return { owner, text };
    });
    expect(seen).toEqual({ owner: UID_BASE + 33, text: "top" });
    expect(lstatSync(join(upperDir, "by-container-root")).uid).toBe(0);
    expect(lstatSync(join(upperDir, "etc/bottom")).uid).toBe(1000);
    expect(mountsBelow(layout.mountsDir)).toEqual([]);
  });

  it("refuses a snapshot that comes up read-only (the control: mounted without the range's fsuid)", async () => {
    const usernsPath = await ensureUserNamespace(layout, "ns", { uidBase: UID_BASE });
    const { layers, upperDir, workDir } = snapshot();
    expect(() =>
      inPrivateMountNamespace(() => {
        mount("tmpfs", layout.mountsDir, "tmpfs", MS.noDev, "mode=0711");
        mountOverlay({ layers, upper: { upperDir, workDir }, usernsPath, uidBase: 1, scratch: layout.mountsDir });
      }),
    ).toThrow(/read-only/);
  });
});
