import { AppError } from "@plimsoll/core";

/** A repository elsewhere, as its address says. */
export interface Remote {
  readonly scheme: "https" | "http" | "ssh";
  readonly host: string;
  readonly port: number;
  /** Of ssh: as whom. */
  readonly user?: string;
  /** `/owner/repository.git` */
  readonly path: string;
  /** What git is given: nothing of it is a secret. */
  readonly url: string;
}

const PORTS = { https: 443, http: 80, ssh: 22 } as const;
const MAX_LENGTH = 500;
const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])$/;
const PATH = /^\/[A-Za-z0-9._~%+/@-]{1,400}$/;
const USER = /^[a-z_][a-z0-9_.-]{0,31}$/i;

/**
 * Reads `https://host/owner/repository.git`, `ssh://git@host/owner/repository.git` or `git@host:owner/repository.git`. Nothing else passes: no
 * other protocol, no credential, nothing that a program could take for an option. Throws AppError `invalid` with what to write. Pure.
 */
export function parseRemote(text: string): Remote {
  const written = text.trim();
  if (written.length > MAX_LENGTH) throw refused("is longer than any address of a repository");
  // A URL's parser drops line ends and tabs without a word.
  if ([...written].some((character) => character <= " " || character === "\u007f")) throw refused("has a blank in it");
  const short = /^([\w.-]+)@([^:/\s]+):(?!\/\/)(.+)$/.exec(written);
  if (short !== null && !written.includes("://")) {
    const [, user = "", host = "", path = ""] = short;
    return checked("ssh", host, undefined, user, path.startsWith("/") ? path : `/${path}`);
  }
  const url = URL.parse(written);
  const scheme = url?.protocol.slice(0, -1);
  if (url === null || (scheme !== "https" && scheme !== "http" && scheme !== "ssh")) throw refused("is no address of https:// or ssh://");
  if (url.password !== "" || (scheme !== "ssh" && url.username !== ""))
    throw refused("holds a name or password; give a token with --token-from instead, it is kept sealed");
  if (url.search !== "" || url.hash !== "") throw refused("ends with ? or #; leave that away");
  return checked(
    scheme,
    url.hostname,
    url.port === "" ? undefined : Number(url.port),
    url.username === "" ? undefined : url.username,
    url.pathname,
  );
}

function checked(scheme: Remote["scheme"], written: string, asked: number | undefined, user: string | undefined, path: string): Remote {
  const host = written.toLowerCase();
  const port = asked ?? PORTS[scheme];
  if (!HOST.test(host) || host.includes("..")) throw refused("names no host");
  if (!PATH.test(path) || /\/\.\.?(\/|$)|\/-/.test(path)) throw refused("names no repository of that host");
  if (scheme === "ssh" && !USER.test(user ?? "git")) throw refused("names no user; it is mostly git@");
  const at = asked === undefined || asked === PORTS[scheme] ? host : `${host}:${asked}`;
  const bare = host.replace(/^\[|\]$/g, "");
  return {
    scheme,
    host: bare,
    port,
    path,
    url: scheme === "ssh" ? `ssh://${user ?? "git"}@${at}${path}` : `${scheme}://${at}${path}`,
    ...(scheme === "ssh" ? { user: user ?? "git" } : {}),
  };
}

function refused(why: string): AppError {
  return new AppError(
    "invalid",
    `The repository's address ${why}; write https://host/owner/repository.git or git@host:owner/repository.git.`,
  );
}
