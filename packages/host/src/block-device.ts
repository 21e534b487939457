import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * The disk below a file system, as cgroups name it (`254:0`): of a partition the disk that it is part of, for the kernel limits no
 * partition. Undefined where the file system has none that can be limited (tmpfs, btrfs, network, another overlay).
 */
export function blockDeviceOf(path: string): string | undefined {
  const name = deviceNumber(statSync(path, { bigint: true }).dev);
  const link = `/sys/dev/block/${name}`;
  if (!existsSync(link)) return undefined;
  const device = realpathSync(link);
  return existsSync(join(device, "partition")) ? readFileSync(join(dirname(device), "dev"), "utf8").trim() : name;
}

/** `major:minor` of a dev_t as stat(2) gives it (gnu_dev_major of glibc's sys/sysmacros.h). Pure. */
export function deviceNumber(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}
