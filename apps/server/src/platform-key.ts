import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { ifThere } from "@plimsoll/core";

/**
 * The 32-byte key that wraps every namespace's data key, made at first use. It appears under its name only once it is whole and on
 * disk, and never replaces one that is there: losing it means losing every secret.
 */
export async function platformKey(file: string): Promise<Buffer> {
  const existing = await ifThere(readFile(file));
  if (existing) return existing;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}`;
  const handle = await open(temporary, "wx", 0o600);
  try {
    await handle.writeFile(randomBytes(32));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await link(temporary, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  await unlink(temporary);
  return readFile(file);
}
