import type { TxClient } from "./client.ts";
import type { PrismaClient } from "./generated/client.ts";

/** How long, in milliseconds, and how much of a kind is kept. */
export interface Retention {
  readonly changesMs: number;
  readonly changesPerScope: number;
  readonly outboxMs: number;
  readonly leasesMs: number;
  readonly pushesMs: number;
  readonly pushesPerApp: number;
  readonly secretVersionsMs: number;
  readonly tokensMs: number;
  readonly auditMs: number;
  readonly removedHostsMs: number;
  /** Output of builds that are over, as it lies in the database. */
  readonly buildLogBytesPerNamespace: number;
}

const TIMEOUT_MS = 120_000;

/** See Database.prune. Each table in a transaction of its own, so that nobody waits for more than one. */
export async function prune(prisma: PrismaClient, keep: Retention): Promise<void> {
  const steps: readonly ((client: TxClient, keep: Retention) => Promise<unknown>)[] = [
    pruneOldChanges,
    pruneManyChanges,
    pruneOutbox,
    pruneLeases,
    prunePushes,
    pruneSecrets,
    pruneTokens,
    pruneAudit,
    pruneHosts,
    pruneSeries,
    pruneBuildLogs,
    prunePackages,
  ];
  for (const step of steps)
    await prisma.$transaction(
      async (client) => {
        const [lock] = await client.$queryRaw<{ held: boolean }[]>`
          SELECT pg_try_advisory_xact_lock(hashtextextended(${`prune/${step.name}`}, 0)) AS held`;
        if (lock?.held === true) await step(client, keep);
      },
      { timeout: TIMEOUT_MS },
    );
}

const before = (ms: number) => new Date(Date.now() - ms);

/**
 * Always the beginning of a scope's log, up to a version: a long transaction commits a higher version with an earlier time, and a hole
 * in the middle would be a change that a watcher never hears of.
 */
async function pruneOldChanges(client: TxClient, { changesMs }: Retention): Promise<void> {
  await client.$executeRaw`
    DELETE FROM changes c USING (SELECT scope, max(version) AS floor FROM changes WHERE created_at < ${before(changesMs)} GROUP BY scope) f
    WHERE c.scope = f.scope AND c.version <= f.floor`;
}

async function pruneManyChanges(client: TxClient, { changesPerScope }: Retention): Promise<void> {
  await client.$executeRaw`
    DELETE FROM changes c USING counters k WHERE c.scope = k.scope AND c.version <= k.value - ${changesPerScope}::bigint`;
}

async function pruneOutbox(client: TxClient, { outboxMs }: Retention): Promise<void> {
  await client.$executeRaw`
    DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE created_at < ${before(outboxMs)} FOR UPDATE SKIP LOCKED)`;
}

/** By the database's own clock, as leases are judged; the lease of a build that is not over says since when its builder is silent. */
async function pruneLeases(client: TxClient, { leasesMs }: Retention): Promise<void> {
  await client.$executeRaw`
    DELETE FROM leases l WHERE l.expires_at < now() - ${leasesMs} * interval '1 millisecond'
      AND NOT EXISTS (SELECT 1 FROM objects o WHERE o.kind = 'Build' AND o.phase IN ('placed', 'running') AND l.key = 'build/' || o.uid)`;
}

/**
 * The git front door takes a kept commit without a row for one that a crash left unrecorded, and deploys the newest such. It keeps fewer
 * commits of an app than rows stay here, and drops the oldest first: a commit without a row is then never the newest.
 */
async function prunePushes(client: TxClient, { pushesMs, pushesPerApp }: Retention): Promise<void> {
  await client.$executeRaw`
    DELETE FROM pushes p USING (SELECT id, row_number() OVER (PARTITION BY app_uid ORDER BY id DESC) AS age FROM pushes) r
    WHERE p.id = r.id AND p.state <> 'open' AND p.finished_at < ${before(pushesMs)}
      AND (r.age > ${pushesPerApp} OR NOT EXISTS (SELECT 1 FROM objects o WHERE o.uid = p.app_uid))`;
}

/** The newest version of a name stays: numbers go on from it. */
async function pruneSecrets(client: TxClient, { secretVersionsMs }: Retention): Promise<void> {
  await client.$executeRaw`
    DELETE FROM secrets s
    WHERE EXISTS (SELECT 1 FROM secrets n WHERE n.app_uid = s.app_uid AND n.name = s.name AND n.version > s.version
        AND n.created_at < ${before(secretVersionsMs)})
      AND NOT EXISTS (SELECT 1 FROM objects o WHERE (o.uid = s.app_uid OR (o.owner_uid = s.app_uid AND o.kind = 'Release'))
        AND o.spec -> 'secrets' ->> s.name = s.version::text)`;
}

async function pruneTokens(client: TxClient, { tokensMs }: Retention): Promise<void> {
  await client.token.deleteMany({ where: { expiresAt: { lt: before(tokensMs) } } });
}

async function pruneAudit(client: TxClient, { auditMs }: Retention): Promise<void> {
  await client.audit.deleteMany({ where: { at: { lt: before(auditMs) } } });
}

async function pruneHosts(client: TxClient, { removedHostsMs }: Retention): Promise<void> {
  await client.hostAdmission.deleteMany({ where: { removedAt: { lt: before(removedHostsMs) } } });
  // A report that was under way while its host was removed.
  await client.$executeRaw`DELETE FROM host_leases l WHERE NOT EXISTS (SELECT 1 FROM objects o WHERE o.uid = l.host_uid)`;
  await client.$executeRaw`DELETE FROM host_disks d WHERE NOT EXISTS (SELECT 1 FROM objects o WHERE o.uid = d.host_uid)`;
  await client.$executeRaw`DELETE FROM disk_uses d WHERE NOT EXISTS (SELECT 1 FROM objects o WHERE o.uid = d.host_uid)`;
  await client.$executeRaw`DELETE FROM cache_cleanings c WHERE NOT EXISTS (SELECT 1 FROM objects o WHERE o.uid = c.namespace_uid)`;
}

const OUTPUT_REMOVED = {
  type: "notice",
  atMs: 0,
  text: "The output of this build was removed: newer builds of its namespace have filled what is kept of logs.",
};

/**
 * Of a namespace whose logs are too large, the output of its oldest builds: what they did, how long it took and how they ended stays. What an
 * event is need be read only where there is too much.
 */
async function pruneBuildLogs(client: TxClient, { buildLogBytesPerNamespace: most }: Retention): Promise<void> {
  await client.$executeRaw`
    WITH full_ones AS (
      SELECT o.namespace_uid FROM build_log l JOIN objects o ON o.uid = l.build_uid
      GROUP BY 1 HAVING sum(pg_column_size(l.event)) > ${most}::bigint),
    logs AS (
      SELECT l.build_uid, o.namespace_uid, sum(pg_column_size(l.event)) AS bytes, min(l.seq) AS first
      FROM build_log l JOIN objects o ON o.uid = l.build_uid JOIN full_ones f ON f.namespace_uid = o.namespace_uid
      WHERE o.phase NOT IN ('pending', 'placed', 'running') AND l.event ->> 'type' = 'step-log'
      GROUP BY 1, 2),
    gone AS (
      SELECT build_uid, first
      FROM (SELECT build_uid, first, sum(bytes) OVER (PARTITION BY namespace_uid ORDER BY build_uid DESC) AS newer FROM logs) r
      WHERE newer > ${most}::bigint),
    told AS (
      UPDATE build_log l SET event = ${JSON.stringify(OUTPUT_REMOVED)}::jsonb FROM gone g
      WHERE l.build_uid = g.build_uid AND l.seq = g.first)
    DELETE FROM build_log l USING gone g
    WHERE l.build_uid = g.build_uid AND l.seq > g.first AND l.event ->> 'type' = 'step-log'`;
}

/** The numbers of builds, releases and deployments of apps that are gone. */
async function pruneSeries(client: TxClient): Promise<void> {
  await client.$executeRaw`
    DELETE FROM counters k WHERE k.scope LIKE 'series/%/%'
      AND NOT EXISTS (SELECT 1 FROM objects o WHERE o.uid = split_part(k.scope, '/', 3))`;
}

/**
 * Of images that neither a build nor a release names any more (one that a build has just made is named by it since the same transaction),
 * and lists that only a host which was removed could make.
 */
async function prunePackages(client: TxClient): Promise<void> {
  await client.$executeRaw`
    DELETE FROM image_packages p
    WHERE NOT EXISTS (SELECT 1 FROM objects o WHERE o.kind = 'Release' AND o.spec -> 'image' ->> 'digest' = p.image)
      AND NOT EXISTS (SELECT 1 FROM objects o WHERE o.kind = 'Build' AND o.status -> 'image' ->> 'digest' = p.image)
      OR p.list IS NULL AND NOT EXISTS (SELECT 1 FROM objects o WHERE o.uid = p.host_uid)`;
}
