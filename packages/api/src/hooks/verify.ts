import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** What a call of a webhook says, once it is known to come from who has the secret. */
export type HookCall =
  | { readonly kind: "forged" }
  /** Something else happened over there. */
  | { readonly kind: "other"; readonly what: string }
  | { readonly kind: "push"; readonly ref?: string };

/**
 * Checks and reads a call by whichever of these it has: `X-Hub-Signature-256` (GitHub: "sha256=" and HMAC-SHA-256 of the body in hex),
 * `X-Gitea-Signature` (the same without the prefix), `X-Gitlab-Token` (the secret itself), `Authorization: Bearer` or `?token=`. All are
 * compared in constant time; one that is there and wrong is forged, whatever else is right. Pure.
 */
export function readHookCall(headers: Headers, queryToken: string | null, body: Uint8Array, secret: string): HookCall {
  const signature = createHmac("sha256", secret).update(body).digest("hex");
  const bearer = /^bearer +(.+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  const proofs: (readonly [string | null | undefined, string])[] = [
    [headers.get("x-hub-signature-256"), `sha256=${signature}`],
    [headers.get("x-gitea-signature"), signature],
    [headers.get("x-gitlab-token"), secret],
    [bearer, secret],
    [queryToken, secret],
  ];
  const given = proofs.filter(([value]) => value !== null && value !== undefined && value !== "");
  if (given.length === 0 || !given.every(([value, wanted]) => isSame(value ?? "", wanted))) return { kind: "forged" };
  const event = headers.get("x-gitea-event") ?? headers.get("x-github-event") ?? headers.get("x-gitlab-event");
  if (event !== null && event !== "push" && event !== "Push Hook") return { kind: "other", what: event.slice(0, 100) };
  const ref = refOf(body);
  return { kind: "push", ...(ref === undefined ? {} : { ref }) };
}

/** The hashes are compared, which are as long as each other whatever is given. */
function isSame(given: string, wanted: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(wanted));
}

/** The ref that was pushed, where the body says one: a plain call has none, or is no JSON at all. */
function refOf(body: Uint8Array): string | undefined {
  try {
    const { ref } = JSON.parse(Buffer.from(body).toString("utf8")) as { ref?: unknown };
    return typeof ref === "string" ? ref : undefined;
  } catch {
    return undefined;
  }
}
