import type { NewTeam, TeamPatch } from "@plimsoll/contracts";
import { AppError, ObjectName, type Resource, ZERO_QUOTA } from "@plimsoll/core";
import { audit, type Context } from "../context.ts";

/** First path segments of the portal and of the platform: no team can be called so. */
const RESERVED_NAMES = new Set(["api", "git", "claim", "login", "logout", "account", "hosts", "platform", "admin", "static", "assets"]);

/** Creates a team with its quota; for operators and the installation's set-up. `conflict` when the name is taken, `not_found` where nobody
 * has the owner's address. */
export async function createTeam(context: Context, wanted: NewTeam): Promise<Resource<"Team">> {
  if (!ObjectName.safeParse(wanted.name).success || RESERVED_NAMES.has(wanted.name))
    throw new AppError("invalid", `A team cannot be called ${wanted.name}; take 1 to 40 of a-z, 0-9 and -, starting with a letter.`);
  const team = await context.tx.objects.create({
    kind: "Team",
    name: wanted.name,
    spec: { displayName: wanted.displayName ?? wanted.name, quota: wanted.quota },
    status: { used: ZERO_QUOTA, given: ZERO_QUOTA },
  });
  audit(context, "teams.create", team, { quota: wanted.quota });
  if (wanted.owner === undefined) return team;
  const owner = await context.tx.identities.credentials(wanted.owner);
  if (owner === undefined)
    throw new AppError(
      "not_found",
      `Nobody has an account with the address ${wanted.owner}; make the team without an owner, or that account first.`,
    );
  await context.tx.identities.setMembership(owner.id, team.metadata.uid, "owner");
  return team;
}

/**
 * Changes a team's display name and what it has of the platform. Less than its namespaces were given is allowed: nothing that runs is
 * stopped, and nothing more is given until they fit again.
 */
export async function patchTeam(context: Context, team: Resource<"Team">, patch: TeamPatch): Promise<Resource<"Team">> {
  const { tx } = context;
  const { uid } = team.metadata;
  await tx.quotas.lock(uid, uid);
  const current = await tx.objects.lock("Team", uid);
  const changed = Object.fromEntries(Object.entries(patch.quota ?? {}).filter(([, amount]) => amount !== undefined));
  const quota = { ...current.spec.quota, ...changed };
  const updated = await tx.objects.updateSpec(current, { displayName: patch.displayName ?? current.spec.displayName, quota });
  audit(context, "teams.update", updated, { before: current.spec.quota, after: quota });
  return updated;
}
