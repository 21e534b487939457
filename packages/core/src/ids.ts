import { randomBytes } from "node:crypto";

declare const brand: unique symbol;
/** A string of one meaning: a namespace's uid cannot be passed where an instance's is asked for. */
export type Uid<K extends string> = string & { readonly [brand]: K };

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford base32 in lower case: no i, l, o, u

/**
 * A new object uid: `<prefix>_` and 20 base32 digits, of which the first 8 are milliseconds since 1970 >> 5 so that uids made later
 * sort later (index locality), the rest random (60 bits).
 */
export function newUid<K extends string>(prefix: string, nowMs: number = Date.now()): Uid<K> {
  let time = Math.floor(nowMs / 32);
  let head = "";
  for (let i = 0; i < 8; i++) {
    head = ALPHABET[time % 32] + head;
    time = Math.floor(time / 32);
  }
  let rest = "";
  for (const byte of randomBytes(12)) rest += ALPHABET[byte % 32];
  return `${prefix}_${head}${rest}` as Uid<K>;
}

/** A secret for tokens and claim codes: `bytes` random bytes in base64url. */
export function newSecret(bytes = 32): string {
  return randomBytes(bytes).toString("base64url");
}

/** RFC 1123 label, at most 40 characters so that `<app>-<namespace>` with a suffix fits in a DNS label of 63. */
export const NAME_PATTERN = /^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/;
