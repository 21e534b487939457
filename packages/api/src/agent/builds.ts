import { type BuildClaim, type BuildProgress, type BuildResult, sealBox } from "@plimsoll/contracts";
import { AppError, accessFor, isBuildOver, type Resource, type Status } from "@plimsoll/core";
import { type Database, type Lease, PLATFORM, type Tx } from "@plimsoll/db";

/** Prolonged by every word about the build; a builder sends at least an empty one every 5 s. */
export const BUILD_LEASE_MS = 15_000;
/** The build's own limit ends it; its git token lives a little longer. */
const GIT_TOKEN_EXTRA_MS = 5 * 60_000;

/**
 * The host takes the build that was placed on it: a lease whose epoch comes with every later word, and a token for reading the app's
 * repository, and the app's secrets for its commands. A host that claims again (it was restarted) begins anew: the log so far is dropped. `conflict` when the build is over,
 * cancelled or another's.
 */
export async function claimBuild(db: Database, hostUid: string, buildUid: string): Promise<BuildClaim> {
  const { sealedSecrets, sealedRegistries } = await sealForBuild(db, hostUid, buildUid);
  return db.write({ scope: PLATFORM }, async (tx) => {
    const build = await lockPlaced(tx, hostUid, buildUid);
    if (isBuildOver(build.status.phase) || build.status.phase === "pending" || build.spec.cancelled)
      throw new AppError("conflict", `Build ${build.metadata.name} is ${build.status.phase}, not to be built.`, { retry: "never" });
    const lease = await tx.leases.acquire(leaseKey(buildUid), hostUid, BUILD_LEASE_MS);
    if (lease === undefined)
      throw new AppError("conflict", `Build ${build.metadata.name} is held by another builder until its lease ends.`, {
        retry: { afterMs: BUILD_LEASE_MS },
      });
    await tx.platform.clearBuildLog(buildUid);
    await tx.identities.removeTokensNamed("build", buildUid);
    const ttlMs = build.spec.limits.timeoutMs + GIT_TOKEN_EXTRA_MS;
    const git = await tx.identities.createToken({ kind: "build", subject: build.metadata.ownerUid ?? "", name: buildUid, ttlMs });
    const startedAt = build.status.startedAt ?? new Date().toISOString();
    await tx.objects.updateStatus(build, { ...build.status, phase: "running", startedAt });
    tx.wake("build", buildUid);
    return {
      epoch: lease.epoch,
      leaseMs: BUILD_LEASE_MS,
      gitToken: git.secret,
      ...(sealedSecrets === undefined ? {} : { sealedSecrets }),
      ...(sealedRegistries === undefined ? {} : { sealedRegistries }),
    };
  });
}

/** The app's secrets as they are now and what its namespace has for registries, for the host that the build was placed on and no other. */
async function sealForBuild(
  db: Database,
  hostUid: string,
  buildUid: string,
): Promise<{ readonly sealedSecrets?: string; readonly sealedRegistries?: string }> {
  const objects = db.objects(PLATFORM);
  const build = await objects.find("Build", buildUid);
  if (build === undefined || build.status.hostUid !== hostUid) return {};
  const { ownerUid = "", namespaceUid = "" } = build.metadata;
  const [app, host, all] = await Promise.all([
    objects.find("App", ownerUid),
    objects.find("Host", hostUid),
    db.registries.open(namespaceUid),
  ]);
  if (host === undefined) return {};
  const seal = (value: object) => sealBox(JSON.stringify(value), host.spec.publicKey);
  const { source } = build.spec;
  // What a Dockerfile names is known to its builder alone.
  const access = source.kind === "image" ? accessFor(source.reference, all) : all;
  const secrets = app?.spec.secrets ?? {};
  return {
    ...(Object.keys(secrets).length === 0 ? {} : { sealedSecrets: seal(await db.secrets.open(namespaceUid, ownerUid, secrets)) }),
    ...(Object.keys(access).length === 0 ? {} : { sealedRegistries: seal(access) }),
  };
}

/** Appends progress under the epoch and prolongs the lease; `stale_lease` when the build is another's by now. Repeats are ignored. */
export async function takeProgress(
  db: Database,
  hostUid: string,
  buildUid: string,
  epoch: number,
  entries: readonly BuildProgress[],
): Promise<{ readonly cancelled: boolean }> {
  return db.write({ scope: PLATFORM }, async (tx) => {
    const build = await tx.objects.find("Build", buildUid);
    if (build?.status.hostUid !== hostUid) throw leaseLost();
    await renew(tx, leaseOf(hostUid, buildUid, epoch));
    if (entries.length > 0) await tx.platform.appendBuildLog(buildUid, entries);
    return { cancelled: build.spec.cancelled };
  });
}

/** Writes how the build ended and the last of its progress, under the epoch, and wakes its controller. Saying it again changes nothing. */
export async function takeResult(
  db: Database,
  hostUid: string,
  buildUid: string,
  { epoch, result, entries }: { readonly epoch: number; readonly result: BuildResult; readonly entries: readonly BuildProgress[] },
): Promise<void> {
  await db.write({ scope: PLATFORM }, async (tx) => {
    const build = await tx.objects.lockIfThere("Build", buildUid);
    if (build?.status.hostUid !== hostUid) throw leaseLost();
    if (isBuildOver(build.status.phase)) return;
    const lease = leaseOf(hostUid, buildUid, epoch);
    await renew(tx, lease);
    if (entries.length > 0) await tx.platform.appendBuildLog(buildUid, entries);
    await tx.objects.updateStatus(build, statusAfter(build, result));
    if (result.outcome === "succeeded") await tx.packages.want(result.image.digest, hostUid);
    await tx.identities.removeTokensNamed("build", buildUid);
    await tx.leases.release(lease);
    tx.wake("build", buildUid);
  });
}

/** How a build stands after its builder's last word. A cancelled one is cancelled, however far it came. Pure but for the time. */
function statusAfter({ spec, status }: Resource<"Build">, result: BuildResult): Status<"Build"> {
  const finishedAt = new Date().toISOString();
  if (result.outcome === "succeeded") {
    const { image, newBytes, sourceDigest } = result;
    return { ...status, phase: "succeeded", finishedAt, image, newBytes, ...(sourceDigest === undefined ? {} : { sourceDigest }) };
  }
  const phase = spec.cancelled || result.failure.reason === "cancelled" ? "cancelled" : "failed";
  return { ...status, phase, finishedAt, failure: result.failure, message: result.failure.message };
}

/** The renewal's row lock holds until commit, so that nobody takes over in between. */
async function renew(tx: Tx, lease: Lease): Promise<void> {
  if (await tx.leases.renew(lease, BUILD_LEASE_MS)) return;
  throw leaseLost();
}

function leaseLost(): AppError {
  return new AppError("stale_lease", "This build's lease was lost: another builder may have it; stop building it.");
}

/** A build that is placed on this host; for every other host it does not exist. */
async function lockPlaced(tx: Tx, hostUid: string, buildUid: string): Promise<Resource<"Build">> {
  const build = await tx.objects.lockIfThere("Build", buildUid);
  if (build?.status.hostUid !== hostUid) throw new AppError("not_found", "No such build is placed on this host.");
  return build;
}

function leaseKey(buildUid: string): string {
  return `build/${buildUid}`;
}

function leaseOf(hostUid: string, buildUid: string, epoch: number): Lease {
  return { key: leaseKey(buildUid), holder: hostUid, epoch };
}
