import { generateKeyPairSync } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ifThere } from "@plimsoll/core";
import { z } from "zod";

/** Who this host is: kept for its life under the state directory, root only. */
const Identity = z.object({
  /** X25519, raw base64: secrets for this host are sealed to it. */
  publicKey: z.string(),
  /** PKCS#8 DER, base64. */
  privateKey: z.string(),
  hostUid: z.string().optional(),
  credential: z.string().optional(),
  queue: z.object({ url: z.string(), prefix: z.string() }).optional(),
  /** Mutual TLS with the server, for hosts other than its own. */
  tls: z.object({ authorityPem: z.string(), certificatePem: z.string(), keyPem: z.string() }).optional(),
});
export type Identity = z.infer<typeof Identity>;

/** Reads the host's identity, or makes its keys at first use. */
export async function loadIdentity(stateDir: string): Promise<Identity> {
  const text = (await ifThere(readFile(file(stateDir))))?.toString("utf8");
  if (text !== undefined) return Identity.parse(JSON.parse(text));
  const pair = generateKeyPairSync("x25519");
  const identity: Identity = {
    publicKey: pair.publicKey.export({ format: "der", type: "spki" }).subarray(12).toString("base64"),
    privateKey: pair.privateKey.export({ format: "der", type: "pkcs8" }).toString("base64"),
  };
  await saveIdentity(stateDir, identity);
  return identity;
}

/** Replaces the identity file as a whole. */
export async function saveIdentity(stateDir: string, identity: Identity): Promise<void> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const temporary = `${file(stateDir)}.new`;
  await writeFile(temporary, JSON.stringify(identity), { mode: 0o600, flush: true });
  await rename(temporary, file(stateDir));
}

function file(stateDir: string): string {
  return join(stateDir, "identity.json");
}
