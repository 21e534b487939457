import { AppError } from "@plimsoll/core";
import type { ApiSettings } from "../settings.ts";

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Refuses unsafe requests that a foreign page made a browser send. With a cookie the Origin must be there and be the portal's own, or
 * that of the host the request was sent to (a cookie is bound to its host, so its own pages may). Without one (login, claim) only a
 * wrong Origin is refused: programs send none.
 */
export function checkOrigin(request: Request, settings: Pick<ApiSettings, "platformOrigin">, byCookie: boolean): void {
  if (SAFE_METHODS.has(request.method)) return;
  const origin = request.headers.get("origin");
  if (origin === null && !byCookie) return;
  const host = request.headers.get("host");
  const scheme = new URL(settings.platformOrigin).protocol;
  if (origin !== null && (origin === settings.platformOrigin || (host !== null && origin === `${scheme}//${host}`))) return;
  throw new AppError("forbidden", `This request did not come from the portal (${settings.platformOrigin}); open it there and repeat.`);
}
