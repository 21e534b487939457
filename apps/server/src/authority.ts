import "reflect-metadata"; // @peculiar/x509 needs it loaded first
import { createHash, webcrypto } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { AppError } from "@plimsoll/core";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const TEN_YEARS_MS = 10 * 365 * 86_400_000;

/** The platform's own certificate authority: hosts trust it and are known by it, nobody else. */
export interface Authority {
  readonly certificatePem: string;
  /** SHA-256 of the authority's certificate in hex: travels in the enrolment command, so that a new host knows whom it talks to. */
  readonly fingerprint: string;
  /** A certificate and key for the agents' gateway of this server, valid for these names and addresses. */
  issueServer(names: readonly string[]): Promise<{ readonly certificatePem: string; readonly keyPem: string }>;
  /** Signs a host's certificate request (PEM); the subject is the host's uid whatever the request says. */
  signHost(requestPem: string, hostUid: string): Promise<HostCertificate>;
}

export interface HostCertificate {
  readonly pem: string;
  /** SHA-256 of the certificate in hex, as `fingerprintOf` tells it of one that a host shows. */
  readonly fingerprint: string;
}

/** SHA-256 of a certificate (DER) in hex. */
export function fingerprintOf(raw: Uint8Array): string {
  return createHash("sha256").update(raw).digest("hex");
}

/** Opens the authority under `directory`, made at first use (key 0600). */
export async function openAuthority(directory: string): Promise<Authority> {
  x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);
  const keyFile = join(directory, "authority.key");
  const certificateFile = join(directory, "authority.crt");
  if (!existsSync(certificateFile)) await createAuthority(directory, keyFile, certificateFile);
  const certificate = new x509.X509Certificate(await readFile(certificateFile, "utf8"));
  const privateKey = await importKey(await readFile(keyFile, "utf8"));

  const issue = (subject: string, publicKey: x509.PublicKeyType, extensions: x509.Extension[]) =>
    x509.X509CertificateGenerator.create({
      serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString("hex"),
      subject,
      issuer: certificate.subject,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + TEN_YEARS_MS),
      publicKey,
      signingKey: privateKey,
      signingAlgorithm: ALGORITHM,
      extensions,
    });

  return {
    certificatePem: certificate.toString("pem"),
    fingerprint: fingerprintOf(Buffer.from(certificate.rawData)),
    async issueServer(names) {
      const pair = await newKeyPair();
      const alternative = names.map((name) => ({ type: /^[\d.]+$|:/.test(name) ? ("ip" as const) : ("dns" as const), value: name }));
      const leaf = await issue("CN=plimsoll-server", pair.publicKey, [
        new x509.SubjectAlternativeNameExtension(alternative),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      ]);
      return { certificatePem: leaf.toString("pem"), keyPem: await exportKey(pair.privateKey) };
    },
    async signHost(requestPem, hostUid) {
      const request = parseRequest(requestPem);
      if (!(await request.verify())) throw new AppError("invalid", "The certificate request is not signed by its own key; enroll again.");
      const leaf = await issue(`CN=${hostUid}`, request.publicKey, [
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
      ]);
      return { pem: leaf.toString("pem"), fingerprint: fingerprintOf(Buffer.from(leaf.rawData)) };
    },
  };
}

function parseRequest(pem: string): x509.Pkcs10CertificateRequest {
  try {
    return new x509.Pkcs10CertificateRequest(pem);
  } catch (cause) {
    throw new AppError("invalid", "The certificate request cannot be read; enroll again with this version's agent.", { cause });
  }
}

async function createAuthority(directory: string, keyFile: string, certificateFile: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const keys = await newKeyPair();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: "CN=Plimsoll hosts",
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + TEN_YEARS_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  await writeFile(keyFile, await exportKey(keys.privateKey), { mode: 0o600 });
  await writeFile(certificateFile, certificate.toString("pem"), { mode: 0o600 });
}

function newKeyPair() {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = x509.PemConverter.decode(pem);
  if (der === undefined) throw new AppError("internal", "authority.key is empty; restore it from its backup.");
  return webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, true, ["sign"]);
}
