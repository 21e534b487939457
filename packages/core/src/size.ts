/** An amount to be shown, rounded to `digits` after the point. */
export interface Size {
  readonly amount: number;
  readonly digits: 0 | 1;
  readonly unit: "MB" | "GB";
}

/** What lies on disks and in registries, in decimal units as both are sold and counted; one decimal below ten megabytes, and of gigabytes. */
export function sizeOf(bytes: number): Size {
  if (bytes >= 999.5e6) return { amount: Math.round(bytes / 1e8) / 10, digits: 1, unit: "GB" };
  if (bytes < 9.95e6) return { amount: Math.round(bytes / 1e5) / 10, digits: 1, unit: "MB" };
  return { amount: Math.round(bytes / 1e6), digits: 0, unit: "MB" };
}

/** `0.4 MB`, `61 MB`, `1.2 GB`. */
export function formatSize(bytes: number): string {
  const { amount, digits, unit } = sizeOf(bytes);
  return `${amount.toFixed(digits)} ${unit}`;
}
