import { statfsSync } from "node:fs";

/** Of a file system, kept free for all that is no image and no build. */
const RESERVE = { share: 0.02, mostBytes: 1024 ** 3 };

export interface DiskRoom {
  readonly freeBytes: number;
  /** Files that can still be made; 0 where the file system does not count them. */
  readonly freeFiles: number;
  /** Who would leave less than this stops. */
  readonly reserveBytes: number;
}

/** Room on the file system that holds `path`. */
export function diskRoom(path: string): DiskRoom {
  const { blocks, bavail, bsize, ffree } = statfsSync(path);
  return { freeBytes: bavail * bsize, freeFiles: ffree, reserveBytes: Math.min(RESERVE.mostBytes, blocks * bsize * RESERVE.share) };
}
