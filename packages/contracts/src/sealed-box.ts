import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
} from "node:crypto";
import { AppError } from "@plimsoll/core";

const INFO = "plimsoll host box v1";

/**
 * Seals `text` so that only the holder of the X25519 private key reads it: ephemeral X25519, HKDF-SHA256 (RFC 5869), AES-256-GCM.
 * Result: base64 of `ephemeral public key (32) | tag (16) | ciphertext`. The nonce is constant because every box has a key of its own.
 */
export function sealBox(text: string, publicKeyBase64: string): string {
  const ephemeral = generateKeyPairSync("x25519");
  const ours = rawPublic(ephemeral.publicKey.export({ format: "der", type: "spki" }));
  const key = boxKey(diffieHellman({ privateKey: ephemeral.privateKey, publicKey: importPublic(publicKeyBase64) }), ours);
  const cipher = createCipheriv("aes-256-gcm", key, Buffer.alloc(12));
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return Buffer.concat([ours, cipher.getAuthTag(), sealed]).toString("base64");
}

/** Opens a box of sealBox with the private key (PKCS#8 DER, base64). Throws AppError `invalid` when it was not made for this key. */
export function openBox(box: string, privateKeyBase64: string): string {
  const bytes = Buffer.from(box, "base64");
  const theirs = bytes.subarray(0, 32);
  const privateKey = createPrivateKey({ key: Buffer.from(privateKeyBase64, "base64"), format: "der", type: "pkcs8" });
  const key = boxKey(diffieHellman({ privateKey, publicKey: importPublic(theirs.toString("base64")) }), theirs);
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.alloc(12));
  decipher.setAuthTag(bytes.subarray(32, 48));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(48)), decipher.final()]).toString("utf8");
  } catch (cause) {
    throw new AppError("invalid", "A sealed value was not made for this host's key; enroll the host again.", { cause });
  }
}

/** DER prefix of an X25519 SubjectPublicKeyInfo (RFC 8410); the 32 raw bytes follow. */
const SPKI_PREFIX = Buffer.from("302a300506032b656e032100", "hex");

function rawPublic(spki: Buffer): Buffer {
  return spki.subarray(SPKI_PREFIX.length);
}

function importPublic(rawBase64: string) {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, Buffer.from(rawBase64, "base64")]), format: "der", type: "spki" });
}

function boxKey(shared: Buffer, ephemeral: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", shared, ephemeral, INFO, 32));
}
