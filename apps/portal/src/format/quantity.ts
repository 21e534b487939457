import type { QuotaDimension } from "@plimsoll/core";

/** The order in which quotas are shown. */
export const DIMENSIONS = ["cpuMillis", "memoryBytes", "instances", "builds"] as const satisfies readonly QuotaDimension[];

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
export type ByteUnit = (typeof BYTE_UNITS)[number];

/** The unit in which an amount has one to four digits. */
export function byteUnit(bytes: number): ByteUnit {
  let unit = 0;
  for (let value = bytes; value >= 1024 && unit < BYTE_UNITS.length - 1; value /= 1024) unit++;
  return BYTE_UNITS[unit] ?? "B";
}

/** Bytes as a number of `unit`, at most one decimal below 100. */
export function bytesIn(unit: ByteUnit, bytes: number): number {
  const value = bytes / 1024 ** BYTE_UNITS.indexOf(unit);
  return value < 100 ? Math.round(value * 10) / 10 : Math.round(value);
}

/** `512MiB`, `1.5GiB`: as `plim` takes and prints it, exact. */
export function bytesAsTyped(bytes: number): string {
  const unit = [...BYTE_UNITS]
    .reverse()
    .find((one) => Number.isInteger((bytes / 1024 ** BYTE_UNITS.indexOf(one)) * 100) && bytesIn(one, bytes) >= 1);
  return unit && unit !== "B" ? `${Number((bytes / 1024 ** BYTE_UNITS.indexOf(unit)).toFixed(2))}${unit}` : `${bytes}`;
}

/** A quantity as a person types it: `1.5` cores, `3GiB`, `512 MB` (taken as MiB), `4`. Undefined when it is not one. */
export function parseQuantity(dimension: QuotaDimension, text: string): number | undefined {
  const match = /^\s*(\d+(?:[.,]\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  if (!match?.[1]) return undefined;
  const amount = Number(match[1].replace(",", "."));
  const unit = (match[2] ?? "").toLowerCase();
  switch (dimension) {
    case "cpuMillis":
      if (unit === "m") return Math.round(amount);
      return unit === "" || unit === "cpu" || unit === "cores" || unit === "core" ? Math.round(amount * 1000) : undefined;
    case "memoryBytes": {
      const power = { "": 0, b: 0, k: 1, kb: 1, kib: 1, m: 2, mb: 2, mib: 2, g: 3, gb: 3, gib: 3, t: 4, tb: 4, tib: 4 }[unit];
      return power === undefined ? undefined : Math.round(amount * 1024 ** power);
    }
    case "instances":
    case "builds":
      return unit === "" && Number.isInteger(amount) ? amount : undefined;
  }
}

/** A quantity as it stands in an input: what parseQuantity reads back as the same amount. */
export function quantityAsTyped(dimension: QuotaDimension, amount: number): string {
  switch (dimension) {
    case "cpuMillis":
      return `${amount / 1000}`;
    case "memoryBytes":
      return bytesAsTyped(amount);
    case "instances":
    case "builds":
      return `${amount}`;
  }
}

/** The part that is used, 0 to 1; above 1 when a quota was lowered below its use. A quota of nothing is full. */
export function share(used: number, limit: number): number {
  return limit > 0 ? used / limit : used > 0 ? 1 : 0;
}
