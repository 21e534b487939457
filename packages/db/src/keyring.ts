import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { AppError } from "@plimsoll/core";

const ALGORITHM = "aes-256-gcm";

/** AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D): `nonce (12) | tag (16) | ciphertext`, bound to `context`. */
export function seal(key: Uint8Array, plain: Uint8Array, context: string): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv(ALGORITHM, key, nonce);
  cipher.setAAD(Buffer.from(context));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

/** Opens what seal made with the same key and context; AppError `internal` otherwise. */
export function unseal(key: Uint8Array, sealed: Uint8Array, context: string): Buffer {
  const bytes = Buffer.from(sealed);
  const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, 12));
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(bytes.subarray(12, 28));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]);
  } catch (cause) {
    throw new AppError("internal", `A sealed value (${context}) does not open: the platform key is not the one it was sealed with.`, {
      retry: "never",
      cause,
    });
  }
}

/** Wraps and unwraps the data keys of namespaces with the platform key (32 bytes), which never leaves this object. */
export class Keyring {
  readonly #platformKey: Uint8Array;

  constructor(platformKey: Uint8Array) {
    if (platformKey.length !== 32)
      throw new AppError("invalid", "The platform key must have 32 bytes; restore platform.key from its backup.");
    this.#platformKey = platformKey;
  }

  newDataKey(namespaceUid: string): { readonly key: Buffer; readonly wrapped: Buffer } {
    const key = randomBytes(32);
    return { key, wrapped: seal(this.#platformKey, key, `data key of ${namespaceUid}`) };
  }

  unwrap(namespaceUid: string, wrapped: Uint8Array): Buffer {
    return unseal(this.#platformKey, wrapped, `data key of ${namespaceUid}`);
  }
}
