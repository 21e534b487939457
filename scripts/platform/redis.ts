import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { chmod, chown, mkdir, rename, writeFile } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { dirname, join } from "node:path";
import { AppError } from "@plimsoll/core";
import { minimalEnv } from "@plimsoll/exec";
import type { Layout } from "./layout.ts";
import type { ProcessSpec } from "./process-spec.ts";
import { systemUser } from "./system-user.ts";

const USER = "redis";
const ACL_USER = "plimsoll";
/** As descriptors, for the same reason as PostgreSQL's. */
const DATA = "/proc/self/fd/3";
const SOCKETS = "/proc/self/fd/4";

/** How the server connects to the private Redis, its password included. */
export function redisUrl(layout: Layout): string {
  return `unix://${layout.redisSocket}?user=${ACL_USER}&password=${readPassword(layout)}`;
}

/**
 * Makes its directories, the password of the platform's user and an ACL file with that user alone; the server adds a user for each
 * host and saves the file, so one that is there is kept. Idempotent.
 */
export async function ensureRedisFiles(layout: Layout): Promise<void> {
  const { uid, gid } = systemUser(USER);
  for (const path of [layout.redisDir, dirname(layout.redisSocket)]) {
    await mkdir(path, { recursive: true });
    await chown(path, uid, gid);
    await chmod(path, 0o700);
  }
  const hash = createHash("sha256").update(readPassword(layout)).digest("hex");
  const aclPath = join(layout.redisDir, "users.acl");
  if (existsSync(aclPath) && readFileSync(aclPath, "utf8").includes(hash)) return;
  const users = [`user default off resetchannels -@all`, `user ${ACL_USER} on #${hash} ~* &* +@all`];
  await writeFile(`${aclPath}.new`, `${users.join("\n")}\n`, { mode: 0o600 });
  await chown(`${aclPath}.new`, uid, gid);
  await rename(`${aclPath}.new`, aclPath);
}

/** The private Redis: append-only file, unix socket, users by ACL, and an error instead of forgetting when memory is short. */
export function redisSpec(layout: Layout): ProcessSpec {
  const settings = {
    port: "0",
    unixsocket: `${SOCKETS}/redis.sock`,
    unixsocketperm: "700",
    dir: DATA,
    aclfile: `${DATA}/users.acl`,
    appendonly: "yes",
    appendfsync: "everysec",
    save: "",
    "maxmemory-policy": "noeviction",
    daemonize: "no",
  };
  return {
    name: "redis",
    argv: ["/usr/bin/redis-server", ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])],
    env: { ...minimalEnv, HOME: "/nonexistent" },
    cwd: "/",
    ...systemUser(USER),
    directories: [layout.redisDir, dirname(layout.redisSocket)],
    stopSignal: "SIGTERM",
    graceMs: 15_000,
  };
}

/** Waits until it answers the platform's user, its append-only file read. Throws `unavailable` after `timeoutMs`. */
export async function whenRedisAnswers(layout: Layout, options: { readonly timeoutMs: number }): Promise<void> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    const answer = await ask(layout.redisSocket, `AUTH ${ACL_USER} ${readPassword(layout)}\r\nPING\r\n`, "+PONG");
    if (answer === "as expected") return;
    if (performance.now() > deadline) throw new AppError("unavailable", `Redis does not answer (${answer}); its log is logs/redis.log.`);
    await new Promise((wake) => setTimeout(wake, 20));
  }
}

/** One exchange in Redis' inline protocol; answers what came instead of the wanted text. */
function ask(socketPath: string, commands: string, wanted: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectSocket(socketPath);
    let received = "";
    const end = (answer: string) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2_000, () => end("no answer"));
    socket.once("error", (error) => end(error.message));
    socket.once("close", () => end(received.trim()));
    socket.once("connect", () => socket.write(commands));
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString();
      if (received.includes(wanted)) end("as expected");
      else if (received.includes("\n-") || received.startsWith("-")) end(received.trim());
    });
  });
}

/** Made once. Redis itself keeps its hash only. */
function readPassword(layout: Layout): string {
  const path = join(layout.secretsDir, "redis-password");
  if (!existsSync(path)) {
    mkdirSync(layout.secretsDir, { recursive: true, mode: 0o700 });
    writeFileSync(path, randomBytes(24).toString("hex"), { mode: 0o600 });
  }
  return readFileSync(path, "utf8");
}
