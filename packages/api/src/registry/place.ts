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
 * What a caller may do of what is asked for: repositories of apps in namespaces of their teams, as their roles say. What is not theirs is
 * answered as what does not exist: without any action.
 */
export async function grant(db: Database, caller: Caller, scopes: readonly RepositoryScope[]): Promise<readonly Access[]> {
  const access: Access[] = [];
  for (const { repository, actions } of scopes) {
    const teamUid = await teamOfApp(db, caller, repository).catch((error: unknown) => {
      if (error instanceof AppError && error.code === "not_found") return undefined;
      throw error;
    });
    const allowed = teamUid === undefined ? [] : actions.filter((action) => may(caller, PERMISSIONS[action], teamUid));
    access.push({ type: "repository", name: repositoryText(repository), actions: allowed });
  }
  return access;
}

async function teamOfApp(db: Database, caller: Caller, repository: RepositoryName): Promise<string | undefined> {
  const team = await findTeam(db, caller, repository.team);
  const namespace = await findNamespace(db, caller, team, repository.namespace);
  const app = await db.objects(caller.scope).getByName("App", namespace.metadata.uid, repository.app);
  return app.metadata.deletedAt === undefined ? team.metadata.uid : undefined;
}
