import { AppError } from "@plimsoll/core";
import { createApp } from "../apps/create-app.ts";
import { authorize, callerOf, findNamespace, findTeam } from "../caller.ts";
import type { Api } from "../context.ts";
import { appOf } from "./place.ts";
import { type RepositoryName, repositoryText } from "./repository.ts";

/**
 * The app whose repository is pushed to, made where it is not there, by the user whom the token is of and within their quota. Idempotent,
 * safe to run concurrently.
 */
export async function ensureAppOf(api: Api, subject: string, repository: RepositoryName): Promise<void> {
  if ((await appOf(api.db, repository)) !== undefined) return;
  const user = subject.startsWith("user:") ? await api.db.identities.user(subject.slice("user:".length)) : undefined;
  if (user === undefined) throw new AppError("not_found", `There is no app ${repositoryText(repository)}, and nobody who could make it.`);
  const caller = callerOf(user);
  const team = await findTeam(api.db, caller, repository.team);
  const namespace = await findNamespace(api.db, caller, team, repository.namespace);
  authorize(caller, "apps.create", team);
  await api.db
    .write({ scope: caller.scope }, (tx) => createApp({ tx, caller, settings: api.settings }, namespace, { name: repository.app }))
    .catch(async (error: unknown) => {
      // Layers are pushed side by side: another of them has made it.
      if (error instanceof AppError && error.code === "conflict" && (await appOf(api.db, repository)) !== undefined) return;
      throw error;
    });
}
