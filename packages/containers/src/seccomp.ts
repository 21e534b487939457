import { readFileSync } from "node:fs";
import { arch, release } from "node:os";
import { AppError } from "@plimsoll/core";
import { z } from "zod";

/** containers-common's profile (containers/common, pkg/seccomp): OCI's rules with conditions on architecture, capabilities and kernel. */
const Condition = z.object({
  arches: z.array(z.string()).optional(),
  caps: z.array(z.string()).optional(),
  minKernel: z.string().optional(),
});
const Argument = z.object({ index: z.int(), value: z.number(), valueTwo: z.number().optional(), op: z.string() });
const Profile = z.object({
  defaultAction: z.string(),
  defaultErrnoRet: z.int().optional(),
  archMap: z.array(z.object({ architecture: z.string(), subArchitectures: z.array(z.string()).nullish() })).optional(),
  syscalls: z.array(
    z.object({
      names: z.array(z.string()),
      action: z.string(),
      errnoRet: z.int().optional(),
      args: z.array(Argument).nullish(),
      includes: Condition.optional(),
      excludes: Condition.optional(),
    }),
  ),
});
type Profile = z.infer<typeof Profile>;

/** OCI runtime spec, config-linux.md, seccomp. */
export interface OciSeccomp {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly {
    readonly names: readonly string[];
    readonly action: string;
    readonly errnoRet?: number;
    readonly args?: readonly z.infer<typeof Argument>[];
  }[];
}

export interface SeccompTarget {
  readonly architecture: "amd64" | "arm64";
  readonly capabilities: readonly string[];
  /** `uname -r`. */
  readonly kernel: string;
}

export const DEFAULT_SECCOMP_PROFILE = "/usr/share/containers/seccomp.json";

/** Throws AppError `precondition_failed` when the profile is missing: nothing runs without one. */
export function loadSeccomp(path: string, target: SeccompTarget): OciSeccomp {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new AppError("precondition_failed", `The seccomp profile ${path} is missing: install golang-github-containers-common.`, {
      cause,
    });
  }
  return compileSeccomp(Profile.parse(JSON.parse(text)), target);
}

/** The profile for this host's architecture and kernel. Throws as loadSeccomp. */
export function hostSeccomp(capabilities: readonly string[], path: string = DEFAULT_SECCOMP_PROFILE): OciSeccomp {
  return loadSeccomp(path, { architecture: arch() === "arm64" ? "arm64" : "amd64", capabilities, kernel: release() });
}

/** Decides the profile's conditions for one host and set of capabilities. Pure. */
export function compileSeccomp(profile: Profile, target: SeccompTarget): OciSeccomp {
  const ours = target.architecture === "amd64" ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64";
  const mapped = profile.archMap?.find(({ architecture }) => architecture === ours);
  const holds = (condition: z.infer<typeof Condition> | undefined, quantify: "every" | "some") => {
    const tests: boolean[] = [];
    if (condition?.arches !== undefined && condition.arches.length > 0) tests.push(condition.arches.includes(target.architecture));
    if (condition?.caps !== undefined && condition.caps.length > 0)
      tests.push(condition.caps[quantify]((name) => target.capabilities.includes(name)));
    if (condition?.minKernel !== undefined) tests.push(isKernelAtLeast(target.kernel, condition.minKernel));
    return { none: tests.length === 0, every: tests.every(Boolean), some: tests.some(Boolean) };
  };
  const rules = profile.syscalls
    .filter(({ includes, excludes }) => {
      const included = holds(includes, "every");
      const excluded = holds(excludes, "some");
      return (included.none || included.every) && (excluded.none || !excluded.some);
    })
    .map(({ names, action, errnoRet, args }) => ({
      names,
      action,
      ...(errnoRet === undefined ? {} : { errnoRet }),
      ...(args === undefined || args === null || args.length === 0 ? {} : { args }),
    }));
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: [ours, ...(mapped?.subArchitectures ?? [])],
    syscalls: target.capabilities.includes("CAP_SYS_ADMIN") ? rules : withoutNamespaces(rules),
  };
}

type Rule = OciSeccomp["syscalls"][number];

const ALLOW = "SCMP_ACT_ALLOW";
const REFUSE = "SCMP_ACT_ERRNO";
const EPERM = 1;
const ENOSYS = 38;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET of linux/sched.h. */
const NAMESPACE_FLAGS = 0x7e020000;
/** What makes, enters and mounts in namespaces; and the host's keys, log and power switch. */
const PRIVILEGED = [
  ...["fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree", "pivot_root", "umount", "umount2"],
  ...["setns", "unshare"],
  ...["keyctl", "reboot", "syslog"],
];

/**
 * containers-common's profile is for containers that run containers: who holds no capability may make a user namespace and holds them all
 * in there, and with them what most of the kernel's known holes begin with. So, as in Docker's profile (moby, profiles/seccomp): none
 * of these calls, no flag of a namespace for clone, and clone3, whose flags no filter can read, does not exist: libc then takes clone.
 */
function withoutNamespaces(rules: readonly Rule[]): readonly Rule[] {
  const taken = new Set(["clone", "clone3", ...PRIVILEGED]);
  const refused = new Set(rules.filter(({ action }) => action !== ALLOW).flatMap(({ names }) => names));
  return [
    ...rules
      .map((rule) => (rule.action === ALLOW ? { ...rule, names: rule.names.filter((name) => !taken.has(name)) } : rule))
      .filter(({ names }) => names.length > 0),
    { names: PRIVILEGED.filter((name) => !refused.has(name)), action: REFUSE, errnoRet: EPERM },
    { names: ["clone"], action: ALLOW, args: [{ index: 0, value: NAMESPACE_FLAGS, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }] },
    { names: ["clone3"], action: REFUSE, errnoRet: ENOSYS },
  ];
}

function isKernelAtLeast(kernel: string, least: string): boolean {
  const [major = 0, minor = 0] = kernel.split(".").map((part) => Number.parseInt(part, 10));
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map((part) => Number.parseInt(part, 10));
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}
