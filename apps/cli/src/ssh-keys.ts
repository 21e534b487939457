import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { AppError } from "@plimsoll/core/errors";
import { run } from "@plimsoll/exec";
import type { Client } from "./client.ts";

const NAMES = ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"];

/** Path of the first public key of ~/.ssh; undefined when there is none. */
export function ownPublicKey(): string | undefined {
  return NAMES.map((name) => join(homedir(), ".ssh", name)).find((path) => existsSync(path));
}

/** Registers this machine's key, made when there is none. A key that is registered already is fine. */
export async function registerOwnKey(client: Client, note: (text: string) => void): Promise<void> {
  const path = ownPublicKey() ?? (await makeKey(note));
  try {
    await client.call("POST /api/v1/ssh-keys", {
      body: { name: hostname().slice(0, 100), publicKey: (await readFile(path, "utf8")).trim() },
    });
    note(`Registered ${path}`);
  } catch (error) {
    if (!(error instanceof AppError && error.code === "conflict")) throw error;
  }
}

async function makeKey(note: (text: string) => void): Promise<string> {
  const directory = join(homedir(), ".ssh");
  const path = join(directory, "id_ed25519");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path]);
  note(`Made an SSH key: ${path}`);
  return `${path}.pub`;
}
