import type { NamespacePatch, NewNamespace } from "@plimsoll/contracts";
import {
  AppError,
  assertBuildLimits,
  type BuildLimits,
  QUOTA_DIMENSIONS,
  type QuotaVector,
  type Resource,
  ZERO_QUOTA,
} from "@plimsoll/core";
import { givenByTeam } from "@plimsoll/db";
import type { z } from "zod";
import { audit, type Context } from "../context.ts";
import { assertTeamCanGive } from "./quota.ts";

/** What a namespace gets when nobody says otherwise, as far as the team still has it. */
const DEFAULT_QUOTA: QuotaVector = { cpuMillis: 2_000, memoryBytes: 2 * 1024 ** 3, instances: 20, builds: 2 };
const DEFAULT_BUILD_LIMITS: BuildLimits = {
  cpuMillis: 2_000,
  memoryBytes: 2 * 1024 ** 3,
  pids: 512,
  timeoutMs: 10 * 60_000,
  logBytes: 8 * 1024 ** 2,
};

/** VXLAN identifiers below are left to whoever used the machine's network before; they have 24 bits (RFC 7348). */
const FIRST_VNI = 4_096;
/** User ids below are the host's own and its subordinate ranges; a namespace has 65,536, and ids have 32 bits. */
const FIRST_UID = 200_000;
const UIDS = 65_536;
const MAX_NUMBER = Math.floor((2 ** 32 - 1 - FIRST_UID) / UIDS) - 1;

/** Creates a namespace with its network identifier, user-id range and data key, and a share of the team's quota. */
export async function createNamespace(
  context: Context,
  team: Resource<"Team">,
  wanted: z.output<typeof NewNamespace> & { readonly build?: BuildLimits },
): Promise<Resource<"Namespace">> {
  const { tx } = context;
  const teamUid = team.metadata.uid;
  // The team's books only: the namespace has none yet.
  await tx.quotas.lock(teamUid, teamUid);
  const current = await tx.objects.lock("Team", teamUid);
  const given = await givenByTeam(tx, teamUid);
  const quota = wanted.quota ?? atMost(DEFAULT_QUOTA, current.spec.quota, given);
  assertTeamCanGive(current, given, ZERO_QUOTA, quota);
  const number = await tx.platform.nextNumber("vni");
  const range = await tx.platform.nextNumber("uid-range");
  if (range > MAX_NUMBER || number + FIRST_VNI >= 2 ** 24)
    throw new AppError("unsupported", "This platform has given all its user-id ranges; no more namespaces can be made.");
  const namespace = await tx.objects.create({
    kind: "Namespace",
    name: wanted.name,
    team: current,
    spec: { displayName: wanted.displayName ?? wanted.name, quota, build: wanted.build ?? DEFAULT_BUILD_LIMITS },
    status: { vni: FIRST_VNI + number, uidBase: FIRST_UID + range * UIDS, used: ZERO_QUOTA },
  });
  await tx.secrets.createDataKey(namespace.metadata.uid);
  await tx.objects.updateStatus(current, { ...current.status, given: await givenByTeam(tx, teamUid) });
  audit(context, "namespaces.create", namespace, { quota });
  return namespace;
}

/** Changes a namespace's display name and what one of its builds may take. */
export async function patchNamespace(
  context: Context,
  namespace: Resource<"Namespace">,
  patch: z.output<typeof NamespacePatch>,
): Promise<Resource<"Namespace">> {
  const { tx } = context;
  await tx.quotas.lock(namespace.metadata.teamUid ?? "", namespace.metadata.uid);
  const current = await tx.objects.lock("Namespace", namespace.metadata.uid);
  if (patch.build !== undefined) assertBuildLimits(patch.build, current.spec);
  const updated = await tx.objects.updateSpec(current, {
    ...current.spec,
    displayName: patch.displayName ?? current.spec.displayName,
    build: patch.build ?? current.spec.build,
  });
  audit(context, "namespaces.update", updated);
  return updated;
}

function atMost(wanted: QuotaVector, has: QuotaVector, given: QuotaVector): QuotaVector {
  const quota = { ...wanted };
  for (const dimension of QUOTA_DIMENSIONS) quota[dimension] = Math.max(0, Math.min(wanted[dimension], has[dimension] - given[dimension]));
  return quota;
}
