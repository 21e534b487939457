import { randomBytes } from "node:crypto";

declare const brand: unique symbol;
/** A string of one meaning: a namespace's uid cannot be passed where an instance's is asked for. */
export type Uid<K extends string> = string & { readonly [brand]: K };

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford base32 in lower case: no i, l, o, u

const TIME_DIGITS = 8;
const RANDOM_DIGITS = 12;
/** Steps between uids of one moment are random too, so that one does not tell the next. */
const STEP_BYTES = 4;

let last = { time: 0n, rest: 0n };

/**
 * A new object uid: `<prefix>_` and 20 base32 digits, of which the first 8 are milliseconds since 1970 >> 5, the rest random (59 bits).
 * Those of one process sort in the order in which they were made, also within a moment: lists are ordered by them.
 */
export function newUid<K extends string>(prefix: string, nowMs: number = Date.now()): Uid<K> {
  const time = BigInt(Math.floor(nowMs / 32));
  const fresh = () => BigInt(`0x${randomBytes(8).toString("hex")}`) >> 5n;
  const step = () => 1n + BigInt(`0x${randomBytes(STEP_BYTES).toString("hex")}`);
  last = { time, rest: time === last.time ? last.rest + step() : fresh() };
  return `${prefix}_${base32(time, TIME_DIGITS)}${base32(last.rest, RANDOM_DIGITS)}` as Uid<K>;
}

function base32(value: bigint, digits: number): string {
  let text = "";
  let left = value;
  for (let i = 0; i < digits; i++) {
    text = ALPHABET[Number(left % 32n)] + text;
    left /= 32n;
  }
  return text;
}

/** A secret for tokens and claim codes: `bytes` random bytes in base64url. */
export function newSecret(bytes = 32): string {
  return randomBytes(bytes).toString("base64url");
}

/** RFC 1123 label, at most 40 characters so that `<app>-<namespace>` with a suffix fits in a DNS label of 63. */
export const NAME_PATTERN = /^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/;
