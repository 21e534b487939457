import { createHash, createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

export interface ForgedClaims {
  readonly name: string;
  readonly actions: readonly string[];
  readonly exp?: number;
  readonly nbf?: number;
  readonly aud?: string;
  readonly iss?: string;
  readonly alg?: "ES256" | "none" | "HS256";
  /** The header has the signing key in it. */
  readonly bringsKey?: boolean;
  /** Another name, put in after it was signed. */
  readonly changedTo?: string;
}

/** A token of the registry, made without its token service; without a key by one of its own. All that is not said is right. */
export function forge(privateKeyPem: string | undefined, claims: ForgedClaims): string {
  const key = privateKeyPem === undefined ? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey : createPrivateKey(privateKeyPem);
  const publicKey = createPublicKey(key);
  const now = Math.floor(Date.now() / 1_000);
  const { alg = "ES256", name, actions } = claims;
  const header = { typ: "JWT", alg, ...(claims.bringsKey ? { jwk: publicKey.export({ format: "jwk" }) } : { kid: keyId(publicKey) }) };
  const body = (repository: string) => ({
    iss: claims.iss ?? "plimsoll",
    aud: claims.aud ?? "plimsoll-registry",
    sub: "user:forged",
    nbf: claims.nbf ?? now - 10,
    iat: now,
    exp: claims.exp ?? now + 300,
    jti: "forged",
    access: [{ type: "repository", name: repository, actions }],
  });
  const signed = `${encode(header)}.${encode(body(name))}`;
  const presented = claims.changedTo === undefined ? signed : `${encode(header)}.${encode(body(claims.changedTo))}`;
  return `${presented}.${signature(alg, signed, key, publicKey)}`;
}

function signature(alg: string, text: string, key: KeyObject, publicKey: KeyObject): string {
  if (alg === "none") return "";
  if (alg === "HS256")
    return createHmac("sha256", publicKey.export({ format: "pem", type: "spki" }))
      .update(text)
      .digest("base64url");
  return sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" }).toString("base64url");
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** As docker-registry names keys (libtrust). */
function keyId(publicKey: KeyObject): string {
  const bits = [
    ...createHash("sha256")
      .update(publicKey.export({ format: "der", type: "spki" }))
      .digest()
      .subarray(0, 30),
  ];
  const text = bits
    .map((byte) => byte.toString(2).padStart(8, "0"))
    .join("")
    .replaceAll(/.{5}/g, (five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Number.parseInt(five, 2)] ?? "");
  return text.replaceAll(/(.{4})(?=.)/g, "$1:");
}
