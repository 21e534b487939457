import { type Argon2Parameters, argon2, randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { AppError } from "@plimsoll/core";

/** OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, 2 iterations, 1 lane; where it is missing, scrypt with N = 2^17, r = 8, p = 1. */
const ARGON2 = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const SCRYPT = { logN: 17, blockSize: 8, parallelism: 1 } as const;
const HASH_BYTES = 32;

/** Hashes at the same time: each takes 19 MiB and a thread for about 30 ms. */
const MAX_RUNNING = 2;
const MAX_WAITING = 64;

/** Hashes a password into a string that names its algorithm and parameters (PHC string format). */
export async function hashPassword(password: string, algorithm = argon2 === undefined ? "scrypt" : "argon2id"): Promise<string> {
  const salt = randomBytes(16);
  if (algorithm === "scrypt") {
    const { logN, blockSize, parallelism } = SCRYPT;
    const hash = await deriveScrypt(password, salt, logN, blockSize, parallelism);
    return `$scrypt$ln=${logN},r=${blockSize},p=${parallelism}$${base64(salt)}$${base64(hash)}`;
  }
  const { memory, passes, parallelism } = ARGON2;
  const hash = await deriveArgon2(password, salt, memory, passes, parallelism);
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(hash)}`;
}

/**
 * Whether the password is the one that was hashed. Without a hash (no such account, or one that nobody can log in to) it does the same
 * work and answers false, so that the time of an answer does not tell which e-mail addresses have an account.
 */
export async function verifyPassword(password: string, stored: string | undefined): Promise<boolean> {
  const known = parse(stored ?? "");
  const { algorithm, numbers, salt, hash } = known ?? (parse(await nobodysHash()) as ParsedHash);
  const expected = Buffer.from(hash, "base64");
  const derive = algorithm === "argon2id" ? deriveArgon2 : deriveScrypt;
  return timingSafeEqual(await derive(password, Buffer.from(salt, "base64"), ...numbers), expected) && known !== undefined;
}

let nobody: Promise<string> | undefined;
function nobodysHash(): Promise<string> {
  nobody ??= hashPassword(randomBytes(24).toString("base64"));
  return nobody;
}

interface ParsedHash {
  readonly algorithm: "argon2id" | "scrypt";
  readonly numbers: readonly [number, number, number];
  readonly salt: string;
  readonly hash: string;
}

function parse(stored: string): ParsedHash | undefined {
  const argon = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([^$]+)\$([^$]+)$/.exec(stored);
  const match = argon ?? /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([^$]+)\$([^$]+)$/.exec(stored);
  const [, a, b, c, salt, hash] = match ?? [];
  if (salt === undefined || hash === undefined) return undefined;
  return { algorithm: argon ? "argon2id" : "scrypt", numbers: [Number(a), Number(b), Number(c)], salt, hash };
}

const argon2Async = (parameters: Argon2Parameters) =>
  new Promise<Buffer>((resolve, reject) => argon2("argon2id", parameters, (error, key) => (error ? reject(error) : resolve(key))));

function deriveArgon2(password: string, salt: Buffer, memory: number, passes: number, parallelism: number): Promise<Buffer> {
  return inTurn(() =>
    argon2Async({ message: password.normalize("NFKC"), nonce: salt, memory, passes, parallelism, tagLength: HASH_BYTES }),
  );
}

const scryptAsync = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

function deriveScrypt(password: string, salt: Buffer, logN: number, blockSize: number, parallelization: number): Promise<Buffer> {
  const N = 2 ** logN;
  const options = { N, r: blockSize, p: parallelization, maxmem: 256 * N * blockSize };
  return inTurn(() => scryptAsync(password.normalize("NFKC"), salt, HASH_BYTES, options));
}

let running = 0;
const waiting: (() => void)[] = [];

/** Hashing is the dearest thing a stranger can make us do: few at a time, the rest wait, too many are refused. */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= MAX_RUNNING) {
    if (waiting.length >= MAX_WAITING) throw new AppError("rate_limited", "Too many people log in just now; try again in a few seconds.");
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else running++;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}

function base64(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}
