import { addQuota, type QuotaVector, ZERO_QUOTA } from "./quota.ts";
import type { Spec } from "./resources.ts";

/** What one process asks for: its instances and what each of them takes. */
export interface ProcessCharge {
  readonly process: string;
  readonly replicas: number;
  readonly cpuMillis: number;
  readonly memoryBytes: number;
}

/**
 * What an app takes of its quota: the sum over its processes of instances times resources. While a release with other resources than
 * the app's spec serves (after a rollback), the larger of both counts, so that neither it nor the next release passes the line.
 */
export function appCharges(spec: Spec<"App">, release?: Spec<"Release">): readonly ProcessCharge[] {
  return Object.entries(spec.processes).map(([process, { replicas, cpuMillis, memoryBytes }]) => ({
    process,
    replicas,
    cpuMillis: Math.max(cpuMillis, release?.processes[process]?.cpuMillis ?? 0),
    memoryBytes: Math.max(memoryBytes, release?.processes[process]?.memoryBytes ?? 0),
  }));
}

export function totalCharge(charges: readonly ProcessCharge[]): QuotaVector {
  return charges.reduce<QuotaVector>(
    (total, { replicas, cpuMillis, memoryBytes }) =>
      addQuota(total, { cpuMillis: replicas * cpuMillis, memoryBytes: replicas * memoryBytes, instances: replicas, builds: 0 }),
    ZERO_QUOTA,
  );
}
