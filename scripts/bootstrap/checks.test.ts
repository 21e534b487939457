import { describe, expect, it } from "vitest";
import { findProblems } from "./checks.mjs";
import type { Machine } from "./machine.mjs";

const GIB = 1024 ** 3;
const fit: Machine = {
  isRoot: true,
  arch: "x64",
  system: { id: "debian", name: "Debian 12" },
  hasApt: true,
  cores: 2,
  memoryBytes: 24 * GIB,
  kernelRelease: "6.1.0-18-amd64",
  kernel: { overlayfs: "present", "user namespaces": "present", vxlan: "unknown" },
  cgroups: { version: "v2", controllers: ["cpu", "memory", "pids"], writable: true },
  ports: [
    { port: 8080, setting: "PLIMSOLL_HTTP_PORT", owner: undefined },
    { port: 2222, setting: "PLIMSOLL_SSH_PORT", owner: { pid: 7, program: "node", ours: true } },
  ],
  freeBytes: 9 * GIB,
};

describe("findProblems", () => {
  it("finds none on Debian 12 with its own kernel, nor in a port that is ours", () => {
    expect(findProblems(fit)).toEqual([]);
  });

  const unfit: readonly (readonly [string, Partial<Machine>, RegExp])[] = [
    ["another user than root", { isRoot: false }, /run as root: try sudo npm start\.$/],
    ["a processor that we have no Node for", { arch: "riscv64" }, /x64 and arm64.*riscv64/],
    ["a system without apt-get", { hasApt: false, system: { id: "fedora", name: "Fedora 42" } }, /Fedora 42 has none: use Debian 12/],
    ["a kernel before 5.19", { kernelRelease: "5.10.0-28-amd64" }, /5\.19 or newer.*5\.10\.0-28-amd64: install a newer kernel/],
    ["a kernel without VXLAN", { kernel: { vxlan: "absent" } }, /no vxlan: boot Debian's own kernel/],
    ["a kernel that allows no user namespaces", { kernel: { "user namespaces": "absent" } }, /sysctl -w user\.max_user_namespaces/],
    ["no cgroups", { cgroups: { version: "none", controllers: [], writable: false } }, /No cgroup file system is mounted/],
    [
      "a memory controller that is off",
      { cgroups: { version: "v2", controllers: ["cpu", "pids"], writable: true } },
      /controllers memory are off.*cgroup_enable=memory/,
    ],
    ["cgroups that cannot be written", { cgroups: { ...fit.cgroups, writable: false } }, /mounted read-only/],
    [
      "a port that another program has",
      { ports: [{ port: 8080, setting: "PLIMSOLL_HTTP_PORT", owner: { pid: 712, program: "nginx", ours: false } }] },
      /Port 8080 is taken by nginx \(process 712\): stop it, or choose another one with PLIMSOLL_HTTP_PORT=8081 npm start\.$/,
    ],
    ["too little disk", { freeBytes: 1.5 * GIB }, /Only 1\.5 GB are free.*need 4\.0 GB: make room/],
  ];
  for (const [what, difference, sentence] of unfit) {
    it(`says in one sentence what to do about ${what}`, () => {
      const problems = findProblems({ ...fit, ...difference });
      expect(problems).toEqual([expect.stringMatching(sentence)]);
      expect(problems[0]).toMatch(/^[A-Z].*\.$/);
    });
  }

  it("wants the controllers that version 1 keeps apart", () => {
    const v1 = { version: "v1", writable: true } as const;
    expect(findProblems({ ...fit, cgroups: { ...v1, controllers: ["cpu", "memory", "pids", "cpuacct", "freezer"] } })).toEqual([]);
    expect(findProblems({ ...fit, cgroups: { ...v1, controllers: ["cpu", "memory", "pids", "cpuacct"] } })).toHaveLength(1);
  });

  it("names all of several problems, each in a sentence of its own", () => {
    expect(findProblems({ ...fit, freeBytes: 0, kernelRelease: "5.4.0", hasApt: false })).toHaveLength(3);
  });
});
