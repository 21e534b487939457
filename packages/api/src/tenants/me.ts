import type { Me } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";
import type { Database } from "@plimsoll/db";
import type { Caller } from "../caller.ts";

/** Who the caller is, and the teams and namespaces that they reach. An operator acts as an owner everywhere. */
export async function meOf(db: Database, caller: Caller): Promise<Me> {
  const user = caller.userId === undefined ? undefined : await db.identities.user(caller.userId);
  if (user === undefined) throw new AppError("unauthenticated", "Your account is gone; ask a platform operator.");
  const reader = db.objects(caller.scope);
  const [teams, namespaces] = [await reader.list("Team"), await reader.list("Namespace")];
  return {
    id: user.id,
    name: user.name,
    email: user.email,
    operator: user.operator,
    teams: teams.map(({ metadata, spec }) => ({
      name: metadata.name,
      displayName: spec.displayName,
      role: caller.roleIn(metadata.uid) ?? "owner",
      namespaces: namespaces.filter((one) => one.metadata.teamUid === metadata.uid).map((one) => one.metadata.name),
    })),
  };
}
