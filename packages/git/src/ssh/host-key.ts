import { createHash } from "node:crypto";
import { link, mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { AppError, newSecret } from "@plimsoll/core";
import ssh2 from "ssh2";

const MAX_ATTEMPTS = 20;

export interface HostKey {
  /** OpenSSH private key. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA…`: what belongs into known_hosts after the host's name. */
  readonly publicKey: string;
  /** `SHA256:…`. */
  readonly fingerprint: string;
}

/**
 * The server's own key: made once and kept, as every client remembers it. Throws AppError precondition_failed when the file is there
 * but readable by others or no key: making a new one in silence would look like an attack to every client. Safe to run concurrently.
 */
export async function ensureHostKey(path: string): Promise<HostKey> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const privateKey = (await read(path)) ?? (await make(path));
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error || !key.isPrivateKey()) {
    throw new AppError(
      "precondition_failed",
      `${path} is no SSH private key: restore it, or remove it to get a new one that every client has to accept.`,
    );
  }
  const wire = key.getPublicSSH();
  return { privateKey, publicKey: `${key.type} ${wire.toString("base64")}`, fingerprint: fingerprintOf(wire) };
}

/** `SHA256:` and unpadded base64, as `ssh-keygen -l` prints it, of a key in wire format. */
export function fingerprintOf(publicKey: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(publicKey).digest("base64").replace(/=+$/, "")}`;
}

async function read(path: string): Promise<string | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  if ((found.mode & 0o077) !== 0) {
    throw new AppError(
      "precondition_failed",
      `${path} can be read by others: chmod 600 it if nobody has, else remove it to get a new one.`,
    );
  }
  return readFile(path, "utf8");
}

/**
 * An ed25519 key in OpenSSH's format. ssh2 1.17 writes one key in 256 that nobody can read, itself included (12 of 3,000 tried: a value
 * that begins with a zero byte): such a one is thrown away.
 */
export function newPrivateKey(generate: () => string = generateKey): string {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const made = generate();
    const read = ssh2.utils.parseKey(made);
    if (!(read instanceof Error) && read.isPrivateKey()) return made;
  }
  throw new AppError("internal", "No readable SSH key could be made.");
}

function generateKey(): string {
  return ssh2.utils.generateKeyPairSync("ed25519", { comment: "plimsoll" }).private;
}

/** Written in full under another name first: a crash leaves a key or none, and of two that start at once one wins. */
async function make(path: string): Promise<string> {
  const draft = `${path}.${newSecret(6)}`;
  try {
    const file = await open(draft, "wx", 0o600);
    try {
      await file.writeFile(newPrivateKey());
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  return readFile(path, "utf8");
}
