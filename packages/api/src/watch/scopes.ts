import { AppError, type Kind, type Permission, PLATFORM_SCOPE, type Resource } from "@plimsoll/core";
import type { ChangeRow, Database } from "@plimsoll/db";
import { type Caller, may } from "../caller.ts";

/** Where a watch of one scope stands. */
interface ScopePosition {
  readonly scope: string;
  readonly version: number;
}

const MAX_SCOPES = 50;

/** `<scope>:<version>` of each `scope` parameter; one that Last-Event-ID names resumes from there. AppError `invalid` else. */
export function parseScopes(given: string | readonly string[] | undefined, lastEventId: string | null): Map<string, number> {
  const texts = typeof given === "string" ? [given] : (given ?? []);
  if (texts.length === 0 || texts.length > MAX_SCOPES)
    throw new AppError("invalid", `A watch needs 1 to ${MAX_SCOPES} scopes: ?scope=<uid>:<version>, as a list answers them.`);
  const positions = new Map<string, number>();
  for (const text of texts) {
    const position = parsePosition(text);
    if (position === undefined) throw new AppError("invalid", `\`${text.slice(0, 80)}\` is no <scope>:<version>.`);
    positions.set(position.scope, position.version);
  }
  const resumed = parsePosition(lastEventId ?? "");
  const asked = resumed === undefined ? undefined : positions.get(resumed.scope);
  if (resumed !== undefined && asked !== undefined) positions.set(resumed.scope, Math.max(asked, resumed.version));
  return positions;
}

function parsePosition(text: string): ScopePosition | undefined {
  const [, scope, version] = /^([a-z0-9_]{1,64}):(\d{1,15})$/.exec(text) ?? [];
  return scope === undefined ? undefined : { scope, version: Number(version) };
}

/** Throws `not_found` for a scope that the caller may not watch. Everybody may watch the platform, and sees of it what is theirs. */
export async function assertWatchable(db: Database, caller: Caller, scope: string): Promise<void> {
  if (scope === PLATFORM_SCOPE) return;
  const reader = db.objects(caller.scope);
  const found: Resource | undefined = (await reader.find("Namespace", scope)) ?? (await reader.find("Team", scope));
  const teamUid = found?.metadata.teamUid;
  if (teamUid === undefined || !may(caller, "namespaces.read", teamUid))
    throw new AppError("not_found", `There is no scope ${scope} to watch; list again, and watch what the list names.`);
}

const READ_PERMISSION: Record<Kind, Permission> = {
  Team: "teams.read",
  Host: "hosts.read",
  Namespace: "namespaces.read",
  App: "apps.read",
  Build: "builds.read",
  Release: "releases.read",
  Deployment: "deployments.read",
  Instance: "instances.read",
  Route: "routes.read",
  Event: "events.read",
};

/** Whether the caller may see this change: the same question that a get of its object asks. */
export function isVisible(caller: Caller, change: ChangeRow): boolean {
  const { teamUid } = (change.object as Resource).metadata;
  return may(caller, READ_PERMISSION[change.kind as Kind], teamUid);
}
