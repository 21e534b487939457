import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { chmod, chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import { minimalEnv, start } from "@plimsoll/exec";
import type { Layout } from "./layout.ts";
import type { ProcessSpec } from "./process-spec.ts";
import { type SystemUser, systemUser } from "./system-user.ts";

const USER = "postgres";
/** Of both the role and the database. */
export const DATABASE = "plimsoll";
const PROGRAMS_ROOT = "/usr/lib/postgresql";

/**
 * Its data directory and that of its socket, as descriptors: postgres refuses to be root, and its user cannot enter a checkout
 * below /root by path.
 */
const DATA = "/proc/self/fd/3";
const SOCKETS = "/proc/self/fd/4";

/** The kernel says who connects; root and the server's own user may be anyone of the three. No password to keep. */
const HBA = "# Written by Plimsoll. Only unix sockets, only users that the kernel vouches for.\nlocal all all peer map=plimsoll\n";
const IDENT = "# Written by Plimsoll.\nplimsoll root postgres\nplimsoll root plimsoll\nplimsoll postgres postgres\n";

/** How the server and everything on this machine connects to the private PostgreSQL. */
export function postgresUrl(layout: Layout, { role = DATABASE, database = DATABASE } = {}): string {
  return `postgresql://${role}@localhost/${database}?host=${layout.postgresSocketDir}`;
}

/**
 * Makes the cluster when there is none: data checksums, C.UTF-8, peer authentication. Answers its major version. Idempotent; not
 * safe to run concurrently, which the supervisor's lock sees to.
 */
export async function ensurePostgresCluster(layout: Layout): Promise<number> {
  const owner = await ensurePostgresDirectories(layout);
  const versionPath = join(layout.postgresDir, "PG_VERSION");
  // initdb writes PG_VERSION early; the last file that it and we write tells that a cluster is whole.
  const finishedPath = join(layout.postgresDir, "pg_ident.conf");
  if (!existsSync(finishedPath) || readFileSync(finishedPath, "utf8") !== IDENT) {
    if (existsSync(versionPath)) {
      throw new AppError(
        "precondition_failed",
        `${layout.postgresDir} holds a cluster that was not made by Plimsoll or not finished: move it away, then start again.`,
      );
    }
    await initialise(layout, newestPrograms(), owner);
  }
  return Number(readFileSync(versionPath, "utf8").trim());
}

/** Where its data and its socket lie; the latter is gone after a reboot. Answers whose they are. Idempotent. */
export async function ensurePostgresDirectories(layout: Layout): Promise<SystemUser> {
  const owner = systemUser(USER);
  await ensureOwnDirectory(layout.postgresDir, owner);
  await ensureOwnDirectory(layout.postgresSocketDir, owner);
  return owner;
}

/** The private PostgreSQL: durable, reachable by its unix socket alone. */
export function postgresSpec(layout: Layout): ProcessSpec {
  const version = Number(readFileSync(join(layout.postgresDir, "PG_VERSION"), "utf8").trim());
  const settings = {
    listen_addresses: "",
    unix_socket_directories: SOCKETS,
    unix_socket_permissions: "0700",
    max_connections: "100",
    shared_buffers: "64MB",
    log_timezone: "UTC",
    timezone: "UTC",
  };
  return {
    name: "postgres",
    argv: [programOf(version, "postgres"), "-D", DATA, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    env: { ...minimalEnv, HOME: "/nonexistent" },
    cwd: "/",
    ...systemUser(USER),
    directories: [layout.postgresDir, layout.postgresSocketDir],
    // Fast shutdown: sessions are ended, data is checkpointed.
    stopSignal: "SIGINT",
    graceMs: 30_000,
  };
}

async function initialise(layout: Layout, version: number, owner: SystemUser): Promise<void> {
  const data = openSync(layout.postgresDir, "r");
  let said = "";
  try {
    const options = ["-U", USER, "-A", "peer", "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums"];
    const child = await start([programOf(version, "initdb"), "-D", DATA, ...options], {
      cwd: "/",
      env: { ...minimalEnv, HOME: "/nonexistent" },
      stdio: ["ignore", "pipe", "pipe", data],
      ...owner,
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
    }
    const code = await new Promise((resolve) => child.once("close", resolve));
    if (code !== 0) throw new AppError("internal", `PostgreSQL's initdb failed:\n${said.trim().split("\n").slice(-8).join("\n")}`);
  } finally {
    closeSync(data);
  }
  writeFileSync(join(layout.postgresDir, "pg_hba.conf"), HBA);
  writeFileSync(join(layout.postgresDir, "pg_ident.conf"), IDENT);
}

async function ensureOwnDirectory(path: string, owner: SystemUser): Promise<void> {
  await mkdir(path, { recursive: true });
  await chown(path, owner.uid, owner.gid);
  await chmod(path, 0o700);
}

function newestPrograms(): number {
  const versions = existsSync(PROGRAMS_ROOT) ? readdirSync(PROGRAMS_ROOT).map(Number).filter(Number.isInteger) : [];
  if (versions.length === 0) throw new AppError("precondition_failed", "PostgreSQL is not installed: run npm start, which installs it.");
  return Math.max(...versions);
}

/** A cluster is run by the major version that made it. */
function programOf(version: number, name: string): string {
  const path = join(PROGRAMS_ROOT, String(version), "bin", name);
  if (!existsSync(path)) {
    throw new AppError(
      "precondition_failed",
      `The data directory is of PostgreSQL ${version}, which is not installed: install postgresql-${version}, or move the data with pg_upgrade.`,
    );
  }
  return path;
}
