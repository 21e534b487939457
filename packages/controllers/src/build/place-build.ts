import { AppError, type Resource } from "@plimsoll/core";
import { chargeQuota, type Tx } from "@plimsoll/db";
import { explainPressure, explainRefusals, longestHoldMs, placeBuild, type Refusals } from "@plimsoll/scheduler";
import { type HostState, hostViews } from "../host-states.ts";

const ONE_BUILD = { cpuMillis: 0, memoryBytes: 0, instances: 0, builds: 1 };

/**
 * Takes a slot of the namespace's and the team's build quota and binds the build to a host; with either missing, says so where people
 * look and changes nothing else. In the caller's transaction; answers whether it was placed.
 */
export async function placePending(
  tx: Tx,
  build: Resource<"Build">,
  hosts: readonly HostState[],
  cacheHint: string | undefined,
  nowMs: number,
): Promise<boolean> {
  const { namespaceUid = "", teamUid = "" } = build.metadata;
  await tx.quotas.lock(teamUid, namespaceUid);
  const namespace = await tx.objects.get("Namespace", namespaceUid);
  const team = await tx.objects.get("Team", teamUid);
  const shortage = await quotaShortage(tx, build, namespace, team);
  if (shortage !== undefined) return waits(tx, build, shortage);
  await tx.platform.lockPlacement();
  const views = hostViews(hosts, await tx.platform.hostUse());
  const { heldSince } = build.status;
  const heldMs = heldSince === undefined ? 0 : nowMs - Date.parse(heldSince);
  const placement = placeBuild(views, { ...(cacheHint === undefined ? {} : { cacheHint }), heldMs }, build.metadata.uid);
  if (placement.hostUid === undefined) return noHost(tx, build, placement.refusals, nowMs);
  const host = hosts.find((state) => state.host.metadata.uid === placement.hostUid)?.host;
  if (host === undefined) throw new AppError("internal", "A build was placed on a host that is not there.");
  await chargeQuota(tx, namespace, build.metadata.uid, ONE_BUILD);
  const { message: _, heldSince: __, ...status } = build.status;
  await tx.objects.updateStatus(build, {
    ...status,
    phase: "placed",
    attempt: status.attempt + 1,
    host: host.metadata.name,
    hostUid: host.metadata.uid,
    // Of the placement, until the agent's claim says when it really began.
    startedAt: new Date(nowMs).toISOString(),
  });
  tx.wake("sync", host.metadata.uid);
  return true;
}

/** Why the quota has no slot, as a sentence; undefined when it has. */
async function quotaShortage(
  tx: Tx,
  { metadata: { uid } }: Resource<"Build">,
  namespace: Resource<"Namespace">,
  team: Resource<"Team">,
): Promise<string | undefined> {
  const { namespace: inNamespace, team: inTeam } = await tx.quotas.used(team.metadata.uid, namespace.metadata.uid, uid);
  for (const [holder, used, limit] of [
    [`Namespace ${namespace.metadata.name}`, inNamespace.builds, namespace.spec.quota.builds],
    [`Team ${team.metadata.name}`, inTeam.builds, team.spec.quota.builds],
  ] as const)
    if (used + 1 > limit)
      return limit === 0
        ? `${holder} has no builds in its quota; a team owner or operator can give it some.`
        : `Waits for a build slot: ${holder} builds ${used} of ${limit} at the same time.`;
  return undefined;
}

/** Held back by pressure alone, it says so once: that the figure has changed is no news. */
function noHost(tx: Tx, build: Resource<"Build">, refusals: Refusals, nowMs: number): Promise<false> {
  const { pressed } = refusals;
  if (pressed === undefined) return waits(tx, build, `Waits for a build host: ${explainRefusals(refusals)}.`);
  const { heldSince = new Date(nowMs).toISOString(), message: before = "" } = build.status;
  const said = `Waits: ${explainPressure(pressed)}. It begins when that is over, at the latest after ${longestHoldMs(pressed) / 1_000} s.`;
  const isNews = said.replaceAll(/\d+ %/g, "") !== before.replaceAll(/\d+ %/g, "");
  return waits(tx, { ...build, status: { ...build.status, heldSince } }, isNews ? said : before);
}

async function waits(tx: Tx, build: Resource<"Build">, message: string): Promise<false> {
  await tx.objects.updateStatus(build, { ...build.status, message });
  return false;
}
