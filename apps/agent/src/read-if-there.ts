import { readFile } from "node:fs/promises";

/**
 * A file's bytes, or undefined when there is none. Any other failure is thrown: what cannot be read must not be taken for what was never
 * written, or it would be made anew over it.
 */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
