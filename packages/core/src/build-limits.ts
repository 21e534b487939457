import type { BuildLimits } from "./build.ts";
import { AppError } from "./errors.ts";
import { formatBytes, type QuotaVector } from "./quota.ts";

const GIB = 1024 ** 3;

/** What no namespace may give one of its builds more of, whatever its quota. */
const MOST: Readonly<Record<Exclude<keyof BuildLimits, "cpuMillis" | "memoryBytes" | "mostMemoryBytes">, number>> = {
  pids: 4_096,
  timeoutMs: 6 * 60 * 60_000,
  logBytes: 64 * 1024 ** 2,
  diskBytes: 64 * GIB,
  diskFiles: 5_000_000,
};

/** A namespace as far as its builds go. */
interface Giving {
  readonly quota: QuotaVector;
  readonly build: BuildLimits;
}

/**
 * The limits of one build of a namespace, where its commit asks for so much memory: at most the namespace's memory quota, or what its builds
 * have anyway. Throws AppError `quota_exceeded` that says what to type.
 */
export function limitsOfBuild({ quota, build }: Giving, askedBytes: number | undefined, namespace: string): BuildLimits {
  const mostMemoryBytes = Math.max(quota.memoryBytes, build.memoryBytes);
  const memoryBytes = askedBytes ?? build.memoryBytes;
  if (memoryBytes <= mostMemoryBytes) return { ...build, memoryBytes, mostMemoryBytes };
  throw new AppError(
    "quota_exceeded",
    `plimsoll.yaml gives the build ${formatBytes(memoryBytes)} of memory; namespace ${namespace} may give a build ${formatBytes(mostMemoryBytes)}. Ask for less (build.memory), or let an owner of the team raise it: plim quota set ${namespace} memory=${typedBytes(memoryBytes)}`,
    { details: { asked: memoryBytes, limit: mostMemoryBytes } },
  );
}

/** Throws AppError `quota_exceeded` for limits that the namespace's quota, or the platform, does not give a single build. What it has already may stay. */
export function assertBuildLimits(wanted: BuildLimits, { quota, build }: Giving): void {
  const refuse = (what: string, most: string, remedy: string) => {
    throw new AppError("quota_exceeded", `A build of this namespace can have ${most} ${what} at most; ${remedy}.`);
  };
  if (wanted.memoryBytes > Math.max(quota.memoryBytes, build.memoryBytes))
    refuse("of memory", formatBytes(quota.memoryBytes), "that is its quota, which an owner of the team can raise (plim quota set)");
  if (wanted.cpuMillis > Math.max(quota.cpuMillis, build.cpuMillis))
    refuse("cpu", String(quota.cpuMillis / 1_000), "that is its quota, which an owner of the team can raise (plim quota set)");
  for (const [name, most] of Object.entries(MOST) as [keyof typeof MOST, number][]) {
    const asked = wanted[name];
    if (asked !== undefined && asked > Math.max(most, build[name] ?? 0)) refuse(name, String(most), "ask for less");
  }
}

/** The memory to try next for a build that `limitBytes` were too little for: twice as much where its namespace may give that, else all that it may. */
export function memoryToRetry(
  limitBytes: number,
  mostBytes = Number.POSITIVE_INFINITY,
): { readonly bytes: number; readonly isAllowed: boolean } {
  const step = 256 * 1024 ** 2;
  const twice = Math.ceil((limitBytes * 2) / step) * step;
  if (twice <= mostBytes) return { bytes: twice, isAllowed: true };
  // Less than a quarter more would hardly be worth the try.
  return mostBytes >= limitBytes * 1.25 ? { bytes: mostBytes, isAllowed: true } : { bytes: twice, isAllowed: false };
}

/** `2GiB`, `1536MiB`: an amount as it is typed. */
export function typedBytes(bytes: number): string {
  return bytes % GIB === 0 ? `${bytes / GIB}GiB` : `${Math.ceil(bytes / 1024 ** 2)}MiB`;
}
