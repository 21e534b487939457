import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { AppError, ifThere } from "@plimsoll/core/errors";

/** What `plim login` keeps: where the platform is and the token that speaks for the person. */
export interface Login {
  /** Scheme, host and port of the portal. */
  readonly url: string;
  readonly token: string;
  /** Of a token that plim made itself: logging out revokes it. */
  readonly tokenId?: string;
}

/** Where the login is kept. */
export function loginPath(): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), ".config"), "plim", "login.json");
}

/** The kept login, or PLIM_URL and PLIM_TOKEN where both are set. AppError `unauthenticated` says how to get one. */
export async function loadLogin(): Promise<Login> {
  const { PLIM_URL: url, PLIM_TOKEN: token } = process.env;
  if (url && token) return { url: originOf(url), token };
  if (url || token)
    throw new AppError(
      "unauthenticated",
      `PLIM_${url ? "URL" : "TOKEN"} is set and PLIM_${url ? "TOKEN" : "URL"} is not; set both, or neither.`,
    );
  const kept = await keptLogin();
  if (kept === undefined) throw new AppError("unauthenticated", "You are not logged in: plim login http://localhost:8080");
  return kept;
}

/** What this machine keeps, without regard to the environment. AppError `unauthenticated` when it is no login. */
export async function keptLogin(): Promise<Login | undefined> {
  const path = loginPath();
  const text = await ifThere(readFile(path, "utf8"));
  if (text === undefined) return undefined;
  try {
    const { url, token, tokenId }: Partial<Login> = JSON.parse(text);
    if (typeof url === "string" && typeof token === "string")
      return { url: originOf(url), token, ...(typeof tokenId === "string" ? { tokenId } : {}) };
  } catch {
    // Said below, as for every other content that is no login.
  }
  throw new AppError("unauthenticated", `${path} is not readable as a login; log in again: plim login http://localhost:8080`);
}

/** Keeps a login for the next call, readable by its owner only. Whoever reads meanwhile gets the old one or the new one. */
export async function saveLogin(login: Login): Promise<void> {
  const path = loginPath();
  await mkdir(join(path, ".."), { recursive: true, mode: 0o700 });
  const next = `${path}.${process.pid}`;
  await writeFile(next, JSON.stringify(login), { mode: 0o600, flag: "wx" });
  await rename(next, path);
}

export async function forgetLogin(): Promise<void> {
  await rm(loginPath(), { force: true });
}

/** `plimsoll.example` → `https://plimsoll.example`; any page of the portal → its origin. AppError `invalid` for what is no address. */
export function originOf(text: string): string {
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?(\/|$)/.test(text);
  const url = URL.parse(/^https?:\/\//i.test(text) ? text : `${isLocal ? "http" : "https"}://${text}`);
  if (url === null || url.hostname === "" || /^(?!https?:)[a-z+]+:\/\//i.test(text))
    throw new AppError("invalid", `\`${text}\` is no address; write it like http://localhost:8080 or https://plimsoll.example.`);
  return url.origin;
}
