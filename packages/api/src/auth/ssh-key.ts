import { createHash } from "node:crypto";
import { AppError } from "@plimsoll/core";

const TYPES = new Set(["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"]);
const MIN_RSA_BITS = 2_048;

/** A public key as `ssh-keygen` writes it to `id_….pub`, checked; fingerprint as `ssh-keygen -l` prints it. AppError `invalid` else. */
export function parseSshPublicKey(line: string): { readonly publicKey: string; readonly fingerprint: string; readonly comment: string } {
  if (line.includes("PRIVATE KEY")) throw refused("this is the private key: keep it, and give the one in the .pub file");
  const [type = "", encoded = "", ...comment] = line.trim().split(/\s+/);
  if (!TYPES.has(type)) throw refused(`keys of type ${type.slice(0, 40) || "none"} are not taken: give an ed25519, ECDSA or RSA key`);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) throw refused("the part after the type is not base64");
  const blob = Buffer.from(encoded, "base64");
  const fields = wireStrings(blob);
  if (fields[0]?.toString("latin1") !== type) throw refused("its type and its content differ");
  if (type === "ssh-rsa" && bitLength(fields[2]) < MIN_RSA_BITS) throw refused(`RSA keys need at least ${MIN_RSA_BITS} bits`);
  const fingerprint = `SHA256:${createHash("sha256").update(blob).digest("base64").replaceAll("=", "")}`;
  return { publicKey: `${type} ${blob.toString("base64")}`, fingerprint, comment: comment.join(" ").slice(0, 200) };
}

/** The length-prefixed strings of an SSH blob (RFC 4251, section 5). */
function wireStrings(blob: Buffer): readonly Buffer[] {
  const fields: Buffer[] = [];
  for (let at = 0; at < blob.length; ) {
    const length = at + 4 <= blob.length ? blob.readUInt32BE(at) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > blob.length) throw refused("it is cut off");
    fields.push(blob.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return fields;
}

function bitLength(modulus: Buffer | undefined): number {
  const bytes = modulus === undefined ? Buffer.alloc(0) : modulus.subarray(modulus.findIndex((byte) => byte !== 0));
  return bytes.length === 0 ? 0 : (bytes.length - 1) * 8 + (32 - Math.clz32(bytes[0] ?? 0));
}

function refused(why: string): AppError {
  return new AppError("invalid", `This is not a public key that can be used: ${why}.`);
}
