import { appCharges, applyCommitConfig, formatQuantity, quotaExcess, type Resource, type Spec, totalCharge } from "@plimsoll/core";
import { chargeQuota, createDeployment, createRelease, recordEvent, releaseQuota, type Tx } from "@plimsoll/db";

/**
 * The image becomes a release and its rollout begins, once: the build is held and looked at again first, and says afterwards which
 * release was made of it. What its commit says of the app holds from here on, or the build fails for want of quota. Answers whether
 * anything was done.
 */
export async function releaseBuild(tx: Tx, { metadata }: Resource<"Build">, nowMs: number): Promise<boolean> {
  const { uid, ownerUid = "", namespaceUid = "" } = metadata;
  const namespace = await tx.objects.get("Namespace", namespaceUid);
  // First of all: it takes the quota's lock.
  await releaseQuota(tx, namespace, uid);
  const app = await tx.objects.lock("App", ownerUid);
  const build = await tx.objects.lock("Build", uid);
  const { image, release: made, hostUid, sourceDigest } = build.status;
  if (build.status.phase !== "succeeded" || made !== undefined || image === undefined) return false;
  const { source, pushId, requestedBy: createdBy, config } = build.spec;
  const spec = applyCommitConfig(app.spec, config);
  const shortage = spec === app.spec ? undefined : await chargeNew(tx, namespace, app, withOldProcesses(spec, app.spec));
  if (shortage !== undefined) {
    await refuse(tx, app, build, shortage, nowMs);
    return true;
  }
  const described = await tx.objects.updateSpec(app, withOldProcesses(spec, app.spec));
  const release = await createRelease(tx, {
    namespace,
    // Frozen without the processes that go with the release before.
    app: { ...described, spec },
    image,
    source: source.kind === "image" && sourceDigest !== undefined ? { ...source, digest: sourceDigest } : source,
    createdBy,
    buildUid: uid,
    ...(hostUid === undefined ? {} : { builtOn: hostUid }),
  });
  const reason = source.kind === "git" ? "push" : "image";
  await createDeployment(tx, {
    namespace,
    app: described,
    release,
    reason,
    createdBy,
    ...(pushId === undefined ? {} : { pushId }),
    // Also where nothing is new but what the commit does not have any more.
    ...(config === undefined && described === app ? {} : { replaces: await replacedBy(tx, described, app) }),
  });
  await tx.objects.updateStatus(build, { ...build.status, release: release.spec.number });
  return true;
}

/** A process that the commit does not have any more runs, and is paid for, until what replaces it serves. */
function withOldProcesses(spec: Spec<"App">, before: Spec<"App">): Spec<"App"> {
  return { ...spec, processes: { ...before.processes, ...spec.processes } };
}

/** What is live: not what a rollout that this one supersedes has described. */
async function replacedBy(tx: Tx, described: Resource<"App">, app: Resource<"App">): Promise<NonNullable<Spec<"Deployment">["replaces"]>> {
  const [open] = await tx.objects.list("Deployment", { ownerUid: app.metadata.uid, phases: ["starting"], newestFirst: true, limit: 1 });
  const earlier = open?.spec.replaces;
  const { processes, env, appFile, releaseCommand } = earlier?.generation === app.metadata.generation ? earlier : app.spec;
  return {
    generation: described.metadata.generation,
    processes,
    env,
    ...(appFile === undefined ? {} : { appFile }),
    ...(releaseCommand === undefined ? {} : { releaseCommand }),
  };
}

/** Charges what the app takes from now on; a sentence when the quota has no room for what grows. */
async function chargeNew(tx: Tx, namespace: Resource<"Namespace">, app: Resource<"App">, spec: Spec<"App">): Promise<string | undefined> {
  const { uid, teamUid = "" } = namespace.metadata;
  const asked = totalCharge(appCharges(spec));
  const [before, team] = [await tx.quotas.charged(app.metadata.uid), await tx.objects.get("Team", teamUid)];
  const used = await tx.quotas.used(teamUid, uid, app.metadata.uid);
  for (const [holder, taken, limit] of [
    [`Namespace ${namespace.metadata.name}`, used.namespace, namespace.spec.quota],
    [`Team ${team.metadata.name}`, used.team, team.spec.quota],
  ] as const) {
    const excess = quotaExcess(taken, asked, limit).find(({ dimension }) => asked[dimension] > before[dimension]);
    if (excess !== undefined) return noRoom(holder, app, excess);
  }
  await chargeQuota(tx, namespace, app.metadata.uid, asked);
  return undefined;
}

function noRoom(holder: string, { metadata }: Resource<"App">, { dimension, asked, used, limit }: ReturnType<typeof quotaExcess>[number]) {
  const amount = (value: number) => formatQuantity(dimension, value);
  return `${holder} had room for ${metadata.name} when it was pushed and has none now: it needs ${amount(asked)}, with ${amount(Math.max(0, limit - used))} left. Ask an owner of the team for more, or make it smaller, and push again.`;
}

async function refuse(tx: Tx, app: Resource<"App">, build: Resource<"Build">, message: string, nowMs: number): Promise<void> {
  await tx.objects.updateStatus(build, {
    ...build.status,
    phase: "failed",
    message,
    finishedAt: new Date(nowMs).toISOString(),
    failure: { reason: "quota_exceeded", message },
  });
  await recordEvent(tx, app, { type: "warning", reason: "ReleaseRefused", message });
}
