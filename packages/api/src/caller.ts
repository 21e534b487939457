import { AppError, type Permission, PLATFORM_SCOPE, type Resource, type Role, roleAllows } from "@plimsoll/core";
import { type Database, PLATFORM, type TenantScope, type Tx, type UserRecord } from "@plimsoll/db";

/** Who asks: a person (by session, token or SSH key), or the platform itself. */
export interface Caller {
  /** For audit rows: `user:<id>`, `platform`. */
  readonly actor: string;
  /** For people: `Ana`. */
  readonly name: string;
  readonly scope: TenantScope;
  readonly operator: boolean;
  readonly userId?: string;
  readonly requestId?: string;
  roleIn(teamUid: string): Role | undefined;
}

/** The caller that a user is: an operator reaches everything, everybody else the teams they are a member of. */
export function callerOf(user: UserRecord, requestId?: string): Caller {
  const roles = new Map(user.memberships.map(({ teamUid, role }) => [teamUid, role]));
  return {
    actor: `user:${user.id}`,
    name: user.name,
    scope: user.operator ? PLATFORM : { kind: "teams", teamUids: [...roles.keys()] },
    operator: user.operator,
    userId: user.id,
    ...(requestId === undefined ? {} : { requestId }),
    roleIn: (teamUid) => roles.get(teamUid),
  };
}

/** The platform itself, for its set-up and its controllers. */
export const PLATFORM_CALLER: Caller = {
  actor: "platform",
  name: "Plimsoll",
  scope: PLATFORM,
  operator: true,
  roleIn: () => undefined,
};

/** Whether the caller holds a permission: in this team, or (without a team) on the platform. */
export function may(caller: Caller, permission: Permission, teamUid?: string): boolean {
  if (caller.operator) return true;
  const role = teamUid === undefined ? undefined : caller.roleIn(teamUid);
  return role !== undefined && roleAllows(role, permission);
}

/** Throws `forbidden` unless the caller holds the permission. What is not the caller's to see at all was `not_found` before this. */
export function authorize(caller: Caller, permission: Permission, team?: Resource<"Team">): void {
  if (may(caller, permission, team?.metadata.uid)) return;
  const role = team === undefined ? undefined : caller.roleIn(team.metadata.uid);
  throw new AppError(
    "forbidden",
    team === undefined
      ? `This is for platform operators (${permission}); ask one of them.`
      : `The role ${role ?? "of a guest"} in team ${team.metadata.name} does not include ${permission}; ask an owner of the team.`,
  );
}

/** Throws `forbidden` unless the caller is a platform operator. */
export function authorizeOperator(caller: Caller): void {
  if (!caller.operator) throw new AppError("forbidden", "This is for platform operators; ask one of them.");
}

/** A team and one of its namespaces. */
export interface Place {
  readonly team: Resource<"Team">;
  readonly namespace: Resource<"Namespace">;
}

/** The team of this name; `not_found` also when it is not the caller's to see. */
export async function findTeam(from: Database | Tx, caller: Caller, name: string): Promise<Resource<"Team">> {
  return reader(from, caller).getByName("Team", PLATFORM_SCOPE, name);
}

/** The namespace of this name in a team; `not_found` also when it is not the caller's to see. */
export async function findNamespace(from: Database | Tx, caller: Caller, team: Resource<"Team">, name: string) {
  return reader(from, caller).getByName("Namespace", team.metadata.uid, name);
}

function reader(from: Database | Tx, caller: Caller) {
  return typeof from.objects === "function" ? from.objects(caller.scope) : from.objects;
}
