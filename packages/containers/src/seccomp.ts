import { readFileSync } from "node:fs";
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
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: [ours, ...(mapped?.subArchitectures ?? [])],
    syscalls: profile.syscalls
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
      })),
  };
}

function isKernelAtLeast(kernel: string, least: string): boolean {
  const [major = 0, minor = 0] = kernel.split(".").map((part) => Number.parseInt(part, 10));
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map((part) => Number.parseInt(part, 10));
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}
