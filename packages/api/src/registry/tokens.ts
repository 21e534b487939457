import { createHash, createPrivateKey, createPublicKey, randomBytes, sign, verify } from "node:crypto";
import type { Clock } from "@plimsoll/config";
import { z } from "zod";

/** As docker-registry is told in its configuration (scripts/platform/registry.ts). */
const ISSUER = "plimsoll";
export const REGISTRY_SERVICE = "plimsoll-registry";
/** A client asks anew when it is over; what somebody may no longer do ends with it. */
export const TOKEN_SECONDS = 300;
/** Of the server's own requests: each has one. */
const OWN_TOKEN_SECONDS = 60;

const Access = z.object({ type: z.literal("repository"), name: z.string(), actions: z.array(z.enum(["pull", "push", "delete"])) });
export type Access = z.infer<typeof Access>;
const Header = z.object({ typ: z.literal("JWT"), alg: z.literal("ES256"), kid: z.string() });
const Claims = z.object({
  iss: z.literal(ISSUER),
  aud: z.literal(REGISTRY_SERVICE),
  sub: z.string(),
  exp: z.int(),
  nbf: z.int(),
  access: z.array(Access),
});

export interface RegistryClaims {
  /** Who: a user's id, or `platform`. */
  readonly subject: string;
  readonly access: readonly Access[];
}

/** Bearer tokens of the registry (distribution's token specification): JWT, ES256. */
export interface RegistryTokens {
  /** For a client. */
  issue(claims: RegistryClaims): { readonly token: string; readonly issuedAt: Date };
  /** For one request of the server's own. */
  issueOwn(access: Access): string;
  /** What a token says; undefined unless we have signed it for the registry and it is valid now. */
  verify(token: string): RegistryClaims | undefined;
}

/** `privateKeyPem`: P-256, PKCS #8. docker-registry must hold a certificate of the same key. */
export function registryTokens(privateKeyPem: string, clock: Clock): RegistryTokens {
  const privateKey = createPrivateKey(privateKeyPem);
  const publicKey = createPublicKey(privateKey);
  const keyId = keyIdOf(publicKey.export({ format: "der", type: "spki" }));
  const header = encode({ typ: "JWT", alg: "ES256", kid: keyId });

  const issue = ({ subject, access }: RegistryClaims, seconds: number) => {
    const now = clock.now();
    const second = Math.floor(now.getTime() / 1_000);
    const times = { iat: second, nbf: second - 10, exp: second + seconds };
    const claims = { iss: ISSUER, sub: subject, aud: REGISTRY_SERVICE, ...times, jti: randomBytes(12).toString("base64url"), access };
    const signed = `${header}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return { token: `${signed}.${signature.toString("base64url")}`, issuedAt: now };
  };

  return {
    issue: (claims) => issue(claims, TOKEN_SECONDS),
    issueOwn: (access) => issue({ subject: "platform", access: [access] }, OWN_TOKEN_SECONDS).token,
    verify(token) {
      const parts = token.length > 16_384 ? [] : token.split(".");
      const [first, second, third] = parts;
      if (first === undefined || second === undefined || third === undefined || parts.length !== 3) return undefined;
      // The algorithm is ours, whatever the token says of it; a token that says another was not made here.
      const said = Header.safeParse(decode(first));
      if (!said.success || said.data.kid !== keyId) return undefined;
      const key = { key: publicKey, dsaEncoding: "ieee-p1363" } as const;
      if (!verify("sha256", Buffer.from(`${first}.${second}`), key, Buffer.from(third, "base64url"))) return undefined;
      const claims = Claims.safeParse(decode(second));
      const now = clock.now().getTime() / 1_000;
      if (!claims.success || now >= claims.data.exp || now < claims.data.nbf) return undefined;
      return { subject: claims.data.sub, access: claims.data.access };
    },
  };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}

/** libtrust's fingerprint, by which docker-registry finds the key: 240 bits of SHA-256 in base32, in groups of four. */
function keyIdOf(spki: Uint8Array): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...createHash("sha256").update(spki).digest().subarray(0, 30)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const text = (bits.match(/.{5}/g) ?? []).map((five) => alphabet[Number.parseInt(five, 2)]).join("");
  return (text.match(/.{4}/g) ?? []).join(":");
}
