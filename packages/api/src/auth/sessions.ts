import type { ApiSettings } from "../settings.ts";

/** A session lives this long after it was used last. */
export const SESSION_MS = 30 * 86_400_000;
/** A session's life is written anew at most this often: not every request is a write. */
export const SESSION_TOUCH_MS = 3_600_000;

/** Off loopback the cookie is bound to the host name and to TLS by its name; browsers take `__Host-` only with Secure. */
export function sessionCookieName(settings: Pick<ApiSettings, "platformOrigin">): string {
  return isSecure(settings) ? "__Host-plim" : "plim_session";
}

/** `Set-Cookie` for a session; without a secret it ends the one there is. */
export function sessionCookie(settings: Pick<ApiSettings, "platformOrigin">, secret: string | undefined): string {
  const attributes = ["Path=/", "HttpOnly", "SameSite=Lax", `Max-Age=${secret === undefined ? 0 : SESSION_MS / 1_000}`];
  if (isSecure(settings)) attributes.push("Secure");
  return [`${sessionCookieName(settings)}=${secret ?? ""}`, ...attributes].join("; ");
}

/** The value of a cookie, from a `Cookie` header. */
export function readCookie(header: string | null, name: string): string | undefined {
  for (const part of (header ?? "").split(";")) {
    const [key, ...value] = part.trim().split("=");
    if (key === name) return value.join("=") || undefined;
  }
  return undefined;
}

function isSecure(settings: Pick<ApiSettings, "platformOrigin">): boolean {
  return settings.platformOrigin.startsWith("https:");
}
