import { z } from "zod";

/** What a quota counts. Each is a whole number in the unit of its name. */
export const QuotaVector = z.object({
  cpuMillis: z.int().min(0).describe("thousandths of a core"),
  memoryBytes: z.int().min(0),
  instances: z.int().min(0),
  builds: z.int().min(0).describe("builds at the same time"),
});
export type QuotaVector = z.infer<typeof QuotaVector>;
export type QuotaDimension = keyof QuotaVector;

export const QUOTA_DIMENSIONS: readonly QuotaDimension[] = ["cpuMillis", "memoryBytes", "instances", "builds"];

export const ZERO_QUOTA: QuotaVector = { cpuMillis: 0, memoryBytes: 0, instances: 0, builds: 0 };

/** Sum, dimension by dimension. */
export function addQuota(a: QuotaVector, b: QuotaVector): QuotaVector {
  return {
    cpuMillis: a.cpuMillis + b.cpuMillis,
    memoryBytes: a.memoryBytes + b.memoryBytes,
    instances: a.instances + b.instances,
    builds: a.builds + b.builds,
  };
}

export interface QuotaExcess {
  readonly dimension: QuotaDimension;
  readonly asked: number;
  readonly used: number;
  readonly limit: number;
}

/**
 * The dimensions in which `used + asked` would pass `limit`; empty means admitted. A dimension that asks for nothing is never an
 * excess: lowering a quota below its use stops nothing, and a request that takes less than before is always admitted.
 */
export function quotaExcess(used: QuotaVector, asked: QuotaVector, limit: QuotaVector): readonly QuotaExcess[] {
  return QUOTA_DIMENSIONS.filter((dimension) => asked[dimension] > 0 && used[dimension] + asked[dimension] > limit[dimension]).map(
    (dimension) => ({ dimension, asked: asked[dimension], used: used[dimension], limit: limit[dimension] }),
  );
}

/** `1.5 GiB`, `0.5 cpu`, `3 instances`: a quantity as people read it. */
export function formatQuantity(dimension: QuotaDimension, amount: number): string {
  switch (dimension) {
    case "cpuMillis":
      return `${amount / 1000} cpu`;
    case "memoryBytes":
      return formatBytes(amount);
    case "instances":
      return amount === 1 ? "1 instance" : `${amount} instances`;
    case "builds":
      return amount === 1 ? "1 build" : `${amount} builds`;
  }
}

/** `512 MiB`, `1.5 GiB`: binary units, at most one decimal. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(1))} ${units[unit]}`;
}
