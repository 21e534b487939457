import { describe, expect, it } from "vitest";
import { INSTANCE_CAPABILITIES } from "./capabilities.ts";
import { compileSeccomp, DEFAULT_SECCOMP_PROFILE, loadSeccomp } from "./seccomp.ts";

describe("the seccomp profile of this host's packages", () => {
  const load = (architecture: "amd64" | "arm64", capabilities: readonly string[]) =>
    loadSeccomp(DEFAULT_SECCOMP_PROFILE, { architecture, capabilities, kernel: "6.1.0" });
  const actionOf = (profile: ReturnType<typeof load>, name: string) =>
    profile.syscalls.filter(({ names }) => names.includes(name)).map(({ action }) => action);

  it("decides its conditions by architecture and capabilities", () => {
    const ours = load("amd64", INSTANCE_CAPABILITIES);
    expect(ours.architectures).toEqual(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    expect(ours.defaultErrnoRet).toBe(38);
    expect(actionOf(ours, "read")).toEqual(["SCMP_ACT_ALLOW"]);
    expect(actionOf(ours, "bpf")).toEqual(["SCMP_ACT_ERRNO"]);
    expect(actionOf(ours, "chroot")).toEqual(["SCMP_ACT_ALLOW"]);
    expect(actionOf(load("amd64", ["CAP_SYS_ADMIN"]), "bpf")).toEqual(["SCMP_ACT_ALLOW"]);
    expect(actionOf(ours, "arch_prctl")).toEqual(["SCMP_ACT_ALLOW"]);
    expect(actionOf(load("arm64", INSTANCE_CAPABILITIES), "arch_prctl")).toEqual([]);
  });

  it("lets nobody make namespaces who may not mount: in one of their own they would hold every capability", () => {
    const ours = load("amd64", INSTANCE_CAPABILITIES);
    for (const name of ["unshare", "setns", "mount", "fsopen", "open_tree", "keyctl"])
      expect(actionOf(ours, name)).toEqual(["SCMP_ACT_ERRNO"]);
    expect(ours.syscalls.filter(({ names }) => names.some((name) => name.startsWith("clone")))).toEqual([
      { names: ["clone"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 0x7e020000, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }] },
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
    ]);
    const admin = load("amd64", ["CAP_SYS_ADMIN"]);
    for (const name of ["unshare", "mount", "clone", "clone3"]) expect(actionOf(admin, name)).toEqual(["SCMP_ACT_ALLOW"]);
  });

  it("fails closed: without a profile nothing starts", () => {
    expect(() => loadSeccomp("/no/such/profile", { architecture: "amd64", capabilities: [], kernel: "6.1" })).toThrow(/is missing/);
  });

  it("obeys conditions on the kernel", () => {
    const profile = {
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [{ names: ["ptrace"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "4.8" } }],
    };
    const at = (kernel: string) => actionOf(compileSeccomp(profile, { architecture: "amd64", capabilities: [], kernel }), "ptrace").length;
    expect([at("4.7.9"), at("4.8.0-rc1"), at("6.18.44"), at("5.0")]).toEqual([0, 1, 1, 1]);
  });
});
