import { statfs } from "node:fs/promises";

/** Of the file system that the host's state lies on. */
const SHARE_OF_DISK = 0.2;
/** Of the host's budget, for one namespace: a tenant who builds much does not push out the others. */
const SHARE_OF_NAMESPACE = 0.5;

/** What layers that only the build cache keeps may take here: as the operator set it, else a fifth of the disk. */
export async function cacheBudget(
  setBytes: number | undefined,
  stateDir: string,
): Promise<{ readonly maxBytes: number; readonly maxNamespaceBytes: number }> {
  const disk = await statfs(stateDir);
  const maxBytes = setBytes ?? Math.floor(disk.blocks * disk.bsize * SHARE_OF_DISK);
  return { maxBytes, maxNamespaceBytes: Math.floor(maxBytes * SHARE_OF_NAMESPACE) };
}
