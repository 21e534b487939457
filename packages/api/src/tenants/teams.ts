import { AppError, ObjectName, type QuotaVector, type Resource, ZERO_QUOTA } from "@plimsoll/core";
import { audit, type Context } from "../context.ts";

/** First path segments of the portal and of the platform: no team can be called so. */
const RESERVED_NAMES = new Set(["api", "git", "claim", "login", "logout", "account", "hosts", "platform", "admin", "static", "assets"]);

/** Creates a team with its quota; for operators and the installation's set-up. `conflict` when the name is taken. */
export async function createTeam(
  context: Context,
  wanted: { readonly name: string; readonly displayName?: string; readonly quota: QuotaVector },
): Promise<Resource<"Team">> {
  if (!ObjectName.safeParse(wanted.name).success || RESERVED_NAMES.has(wanted.name))
    throw new AppError("invalid", `A team cannot be called ${wanted.name}; take 1 to 40 of a-z, 0-9 and -, starting with a letter.`);
  const team = await context.tx.objects.create({
    kind: "Team",
    name: wanted.name,
    spec: { displayName: wanted.displayName ?? wanted.name, quota: wanted.quota },
    status: { used: ZERO_QUOTA, given: ZERO_QUOTA },
  });
  audit(context, "teams.create", team);
  return team;
}
