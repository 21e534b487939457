import { isIP } from "node:net";
import { AppError } from "@plimsoll/core";
import type { RedisOptions } from "ioredis";

/** Where Redis is and who asks. */
export interface RedisCredentials {
  readonly username: string;
  readonly password: string;
}

/**
 * Connection options of a Redis URL: `redis://` and `rediss://` (TLS) as Redis' own tools take them, or a unix socket as
 * `unix:///path?user=…&password=…&db=…`. Throws AppError `invalid` for anything else.
 */
export function parseRedisUrl(text: string): RedisOptions {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const host = url?.hostname.replace(/^\[(.*)\]$/, "$1") || "127.0.0.1";
  switch (url?.protocol) {
    case "unix:":
      return {
        path: decodeURIComponent(url.pathname),
        ...present("username", url.searchParams.get("user")),
        ...present("password", url.searchParams.get("password")),
        ...database(url.searchParams.get("db")),
      };
    case "redis:":
    case "rediss:":
      return {
        host,
        port: url.port === "" ? 6379 : Number(url.port),
        ...present("username", decodeURIComponent(url.username)),
        ...present("password", decodeURIComponent(url.password)),
        ...database(url.pathname.slice(1)),
        // A server name is a name (RFC 6066 3): none is sent for an address.
        ...(url.protocol === "rediss:" ? { tls: isIP(host) === 0 ? { servername: host } : {} } : {}),
      };
    default:
      throw new AppError("invalid", "The Redis URL must be redis://…, rediss://… or unix:///path; set REDIS_URL.");
  }
}

/** The same server, as another user. */
export function withCredentials(text: string, { username, password }: RedisCredentials): string {
  const url = new URL(text);
  if (url.protocol === "unix:") {
    url.searchParams.set("user", username);
    url.searchParams.set("password", password);
    return url.href;
  }
  url.username = username;
  url.password = password;
  return url.href;
}

function present<K extends string>(name: K, value: string | null): { [P in K]?: string } {
  return value === null || value === "" ? {} : ({ [name]: value } as { [P in K]: string });
}

function database(text: string | null): { db?: number } {
  return text === null || text === "" ? {} : { db: Number(text) };
}
