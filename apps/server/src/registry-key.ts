import "reflect-metadata"; // @peculiar/x509 needs it loaded first
import { webcrypto } from "node:crypto";
import { mkdir, open, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { ifThere } from "@plimsoll/core";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const TWENTY_YEARS_MS = 20 * 365 * 86_400_000;

/** The key that signs the registry's tokens, PEM (PKCS #8); undefined before the installation was set up. */
export async function readRegistryKey(secretsDir: string): Promise<string | undefined> {
  return ifThere(readFile(join(secretsDir, "registry.key"), "utf8"));
}

/**
 * Makes the key that signs the registry's tokens, and the certificate that the registry knows it by: `registry.key` (0600) and
 * `registry.crt`. The certificate is written last and tells that both are whole. Idempotent; not safe to run concurrently.
 */
export async function ensureRegistryKey(secretsDir: string): Promise<void> {
  if ((await ifThere(readFile(join(secretsDir, "registry.crt")))) !== undefined) return;
  x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: "CN=plimsoll-registry-tokens",
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + TWENTY_YEARS_MS),
    signingAlgorithm: ALGORITHM,
    keys,
  });
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  await mkdir(secretsDir, { recursive: true, mode: 0o700 });
  await writeWhole(join(secretsDir, "registry.key"), key, 0o600);
  await writeWhole(join(secretsDir, "registry.crt"), certificate.toString("pem"), 0o644);
}

async function writeWhole(file: string, text: string, mode: number): Promise<void> {
  await writeFile(`${file}.new`, text, { mode });
  const handle = await open(`${file}.new`, "r");
  await handle.sync().finally(() => handle.close());
  await rename(`${file}.new`, file);
}
