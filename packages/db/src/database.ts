import type { JobName } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";
import { connect } from "./client.ts";
import { Connections } from "./connections.ts";
import { Disks } from "./disks.ts";
import { HostAdmissions } from "./host-admissions.ts";
import { HostLoads } from "./host-loads.ts";
import { Identities } from "./identities.ts";
import { ImagePackageLists } from "./image-packages.ts";
import { Keyring } from "./keyring.ts";
import { LeaseStore } from "./leases.ts";
import { listen } from "./listen.ts";
import { ObjectReader } from "./objects.ts";
import { Platform } from "./platform.ts";
import { prune, type Retention } from "./prune.ts";
import { Pushes } from "./pushes.ts";
import { Quotas } from "./quotas.ts";
import { Registries } from "./registries.ts";
import { PLATFORM, type TenantScope } from "./scope.ts";
import { Secrets } from "./secrets.ts";
import { type Fence, Tx } from "./transaction.ts";

export interface ChangeRow {
  readonly scope: string;
  readonly version: number;
  readonly type: "created" | "updated" | "deleted";
  readonly kind: string;
  readonly object: unknown;
}

const TRANSACTION_TIMEOUT_MS = 15_000;
const MAX_CONFLICTS = 5;

export interface Database {
  /**
   * Runs one mutation in one transaction and answers what `work` answers; everything it changed becomes visible together, with
   * versions, audit rows and wake-ups. Serialization failures and deadlocks are retried (`work` may run several times; it must do
   * nothing but database work). Under a `fence` it commits only while the lease's epoch holds, else AppError `stale_lease`.
   */
  write<T>(options: { readonly scope: TenantScope; readonly fence?: Fence }, work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Reads in a tenant scope, each on its own. */
  objects(scope: TenantScope): ObjectReader;
  readonly identities: Identities;
  readonly connections: Connections;
  readonly quotas: Quotas;
  readonly secrets: Secrets;
  readonly registries: Registries;
  readonly pushes: Pushes;
  readonly platform: Platform;
  readonly leases: LeaseStore;
  readonly hosts: HostAdmissions;
  readonly disks: Disks;
  readonly packages: ImagePackageLists;
  readonly loads: HostLoads;
  /** Changes of a scope after a version, oldest first. AppError `gone` when the log no longer reaches back that far. */
  changes(scope: string, after: number, limit: number): Promise<readonly ChangeRow[]>;
  /** Takes up to `limit` wake-ups and hands them to `deliver`; they are removed when it resolves, and stay when it throws. */
  relayOutbox(limit: number, deliver: (wakes: readonly { job: JobName; key: string }[]) => Promise<void>): Promise<number>;
  /** Calls back on NOTIFY of these channels, again after every reconnect (payload undefined: anything may have happened). */
  listen(channels: readonly string[], onNotify: (channel: string, payload: string | undefined) => void): { close(): Promise<void> };
  /** Removes what is past its time, as `keep` says. Idempotent; of several that run at once only one does the work. */
  prune(keep: Retention): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the database at `url`; `platformKey` (32 bytes) unwraps the namespaces' data keys. */
export function openDatabase(url: string, platformKey: Uint8Array, options: { readonly poolSize?: number } = {}): Database {
  const { prisma, close } = connect(url, options.poolSize);
  const keyring = new Keyring(platformKey);

  async function attempt<T>(scope: TenantScope, fence: Fence | undefined, work: (tx: Tx) => Promise<T>): Promise<T> {
    return prisma.$transaction(
      async (client) => {
        const tx = new Tx(client, scope, keyring);
        const answer = await work(tx);
        const versions = await tx.finish(fence);
        return withVersions(answer, versions);
      },
      { timeout: TRANSACTION_TIMEOUT_MS, maxWait: TRANSACTION_TIMEOUT_MS },
    );
  }

  return {
    async write({ scope, fence }, work) {
      for (let tries = 1; ; tries++) {
        try {
          return await attempt(scope, fence, work);
        } catch (error) {
          if (isRetryable(error) && tries < MAX_CONFLICTS) continue;
          throw asUnavailable(error);
        }
      }
    },
    objects: (scope) => new ObjectReader(prisma, scope),
    identities: new Identities(prisma),
    quotas: new Quotas(prisma),
    secrets: new Secrets(prisma, keyring),
    connections: new Connections(prisma),
    registries: new Registries(prisma, keyring),
    pushes: new Pushes(prisma),
    platform: new Platform(prisma),
    leases: new LeaseStore(prisma),
    hosts: new HostAdmissions(prisma),
    disks: new Disks(prisma),
    packages: new ImagePackageLists(prisma),
    loads: new HostLoads(prisma),
    async changes(scope, after, limit) {
      // The counter first: what it counts is visible to the read that follows, so a version without its row was pruned.
      const current = await new ObjectReader(prisma, PLATFORM).version(scope);
      const rows = await prisma.change.findMany({ where: { scope, version: { gt: after } }, orderBy: { version: "asc" }, take: limit });
      const expected = rows[0] === undefined ? current : Number(rows[0].version) - 1;
      if (expected !== after && (rows[0] !== undefined || current !== after))
        throw new AppError("gone", "The change log no longer reaches back that far; list again and watch from there.");
      return rows.map((row) => ({
        scope: row.scope,
        version: Number(row.version),
        type: row.type as ChangeRow["type"],
        kind: row.kind,
        object: row.object,
      }));
    },
    async relayOutbox(limit, deliver) {
      return prisma.$transaction(
        async (client) => {
          const rows = await client.$queryRaw<{ job: string; key: string }[]>`
            WITH taken AS (
              DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT ${limit} FOR UPDATE SKIP LOCKED) RETURNING id, job, key
            )
            SELECT job, key FROM taken ORDER BY id`;
          if (rows.length > 0) await deliver(rows.map(({ job, key }) => ({ job: job as JobName, key })));
          return rows.length;
        },
        { timeout: TRANSACTION_TIMEOUT_MS },
      );
    },
    listen: (channels, onNotify) => listen(url, channels, onNotify),
    prune: (keep) => prune(prisma, keep),
    async ping() {
      await prisma.$queryRaw`SELECT 1`;
    },
    close,
  };
}

/** AppError `unavailable` for what means that the database cannot be reached now; anything else as it is. For edges that read. */
export function asUnavailable(error: unknown): unknown {
  if (!isUnreachable(error)) return error;
  return new AppError("unavailable", "The database does not answer; the request can be repeated.", { cause: error });
}

/** Objects that a mutation answers carry the versions that its last statement gave them. */
function withVersions<T>(answer: T, versions: ReadonlyMap<string, number>): T {
  if (typeof answer !== "object" || answer === null || !("metadata" in answer)) return answer;
  const metadata = answer.metadata as { uid?: string };
  const version = metadata.uid === undefined ? undefined : versions.get(metadata.uid);
  return version === undefined ? answer : { ...answer, metadata: { ...metadata, version } };
}

/** P2034: write conflict or deadlock (Prisma's error reference); 40001, 40P01: PostgreSQL's own codes. */
function isRetryable(error: unknown): boolean {
  return /P2034|40001|40P01|deadlock detected/.test(describe(error));
}

/** Connection-level failures of pg and Prisma (P1001, P1002, P1008, P1017, P2024: their error references). */
function isUnreachable(error: unknown): boolean {
  return /P1001|P1002|P1008|P1017|P2024|P2028|ECONNREFUSED|ECONNRESET|EPIPE|ENOENT|57P0[123]|Connection terminated|timeout exceeded when trying to connect|starting up/.test(
    describe(error),
  );
}

function describe(error: unknown): string {
  if (!(error instanceof Error) || error instanceof AppError) return "";
  const code = "code" in error ? String(error.code) : "";
  return `${code} ${error.message} ${JSON.stringify("meta" in error ? error.meta : "")} ${error.cause instanceof Error ? describe(error.cause) : ""}`;
}
