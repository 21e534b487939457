import { AppError, PLATFORM_SCOPE, type Resource } from "@plimsoll/core";
import { type Database, PLATFORM } from "@plimsoll/db";
import { type Caller, findNamespace, findTeam, may } from "../caller.ts";
import type { Action, RepositoryName, RepositoryScope } from "./repository.ts";
import { repositoryText } from "./repository.ts";
import type { Access } from "./tokens.ts";

const PERMISSIONS = { pull: "images.read", push: "images.push", delete: "images.delete" } as const satisfies Record<Action, string>;

/** The app whose repository it is, for whoever may do anything; undefined when there is none, or none any more. */
export async function appOf(db: Database, { team, namespace, app }: RepositoryName): Promise<Resource<"App"> | undefined> {
  const objects = db.objects(PLATFORM);
  const teams = await objects.list("Team", { in: PLATFORM_SCOPE, names: [team] });
  const namespaces = teams[0] === undefined ? [] : await objects.list("Namespace", { in: teams[0].metadata.uid, names: [namespace] });
  const apps = namespaces[0] === undefined ? [] : await objects.list("App", { in: namespaces[0].metadata.uid, names: [app] });
  return apps[0]?.metadata.deletedAt === undefined ? apps[0] : undefined;
}

/**
 * What a caller may do of what is asked for: repositories of apps in namespaces of their teams, as their roles say. An app that is not there
 * is made by the first push, as git's is, so that whoever may make it may push. What is not theirs is answered as what does not exist:
 * without any action.
 */
export async function grant(db: Database, caller: Caller, scopes: readonly RepositoryScope[]): Promise<readonly Access[]> {
  const access: Access[] = [];
  for (const { repository, actions } of scopes) {
    const found = await locate(db, caller, repository);
    const mayUse = (action: Action) => found !== undefined && may(caller, PERMISSIONS[action], found.teamUid);
    const isToMake = found?.app === undefined && mayUse("push") && may(caller, "apps.create", found?.teamUid);
    const allowed = actions.filter((action) => mayUse(action) && (found?.app !== undefined || (isToMake && action !== "delete")));
    access.push({ type: "repository", name: repositoryText(repository), actions: allowed });
  }
  return access;
}

/** Undefined for a namespace that is not the caller's to see. */
async function locate(db: Database, caller: Caller, { team, namespace, app }: RepositoryName) {
  try {
    const foundTeam = await findTeam(db, caller, team);
    const { uid } = (await findNamespace(db, caller, foundTeam, namespace)).metadata;
    const [found] = await db.objects(caller.scope).list("App", { in: uid, names: [app] });
    // One that is being deleted is neither there nor to be made.
    if (found?.metadata.deletedAt !== undefined) return undefined;
    return { teamUid: foundTeam.metadata.uid, app: found };
  } catch (error) {
    if (error instanceof AppError && error.code === "not_found") return undefined;
    throw error;
  }
}
