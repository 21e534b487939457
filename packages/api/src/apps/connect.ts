import type { CreatedConnection, NewConnection, Connection as Shown } from "@plimsoll/contracts";
import { AppError, newSecret, type Resource } from "@plimsoll/core";
import { CONNECTION_CREDENTIAL, CONNECTION_HOOK, type ConnectionRecord } from "@plimsoll/db";
import type { z } from "zod";
import type { Caller } from "../caller.ts";
import { type Api, audit, type Context } from "../context.ts";
import { openApp } from "./open-app.ts";

/** How an app's connection is shown; AppError `not_found` where it has none. */
export async function readConnection(api: Api, caller: Caller, namespace: Resource<"Namespace">, appName: string): Promise<Shown> {
  const objects = api.db.objects(caller.scope);
  const app = await objects.getByName("App", namespace.metadata.uid, appName);
  const connection = await api.db.connections.find(app.metadata.uid);
  if (connection === undefined) throw notConnected(appName);
  const build = connection.buildUid === undefined ? undefined : await objects.find("Build", connection.buildUid);
  return shown(connection, api.settings.platformOrigin, build?.metadata.name);
}

/**
 * Connects an app to a repository elsewhere, in the place of any that it had: its credential and the webhook's secret are sealed with the
 * namespace's key. The first look follows at once.
 */
export async function connectApp(
  api: Api,
  caller: Caller,
  namespace: Resource<"Namespace">,
  appName: string,
  wanted: z.output<typeof NewConnection>,
): Promise<z.output<typeof CreatedConnection>> {
  const { remotes, settings } = api;
  if (remotes === undefined) throw new AppError("unavailable", "This server has no git; ask the operator.");
  const remote = remotes.parseRemote(wanted.url);
  const { kind } = wanted.auth;
  if (kind === "token" && remote.scheme === "ssh")
    throw new AppError("invalid", "A token is for https://; over SSH a deploy key opens the repository: plim connect --deploy-key");
  if (kind === "key" && remote.scheme !== "ssh")
    throw new AppError("invalid", "A deploy key is for SSH: give the address as git@host:owner/repository.git, or a token for https://.");
  if (kind === "none" && remote.scheme === "ssh")
    throw new AppError("invalid", "Over SSH a deploy key is needed: plim connect --deploy-key");
  if (!remotes.isBranchName(wanted.branch)) throw new AppError("invalid", `${wanted.branch} is no name of a branch.`);
  const pair = kind === "key" ? remotes.newDeployKeyPair(`plimsoll-${appName}`) : undefined;
  const credential = wanted.auth.kind === "token" ? wanted.auth : pair && { kind: "key", privateKey: pair.privateKey };
  const secret = newSecret();
  const connection = await api.db.write({ scope: caller.scope }, async (tx) => {
    const context = { tx, caller, settings };
    const { app } = await openApp(context, namespace, appName);
    const { uid } = app.metadata;
    if (app.spec.source.kind === "image")
      throw new AppError("precondition_failed", `App ${appName} runs an image from a registry; connect another app.`);
    await tx.secrets.removeNamed(uid, [CONNECTION_CREDENTIAL]);
    if (credential !== undefined) await tx.secrets.replace(namespace.metadata.uid, uid, CONNECTION_CREDENTIAL, JSON.stringify(credential));
    await tx.secrets.replace(namespace.metadata.uid, uid, CONNECTION_HOOK, secret);
    const made = await tx.connections.put({
      appUid: uid,
      url: remote.url,
      branch: wanted.branch,
      provider: wanted.provider ?? remotes.guessProvider(remote),
      auth: kind,
      hookId: newSecret(16),
      createdBy: caller.name,
      ...(pair === undefined ? {} : { publicKey: pair.publicKey }),
    });
    audit(context, "connection.put", app, { url: remote.url, branch: wanted.branch, auth: kind });
    tx.wake("connection", uid);
    return made;
  });
  return { ...shown(connection, settings.platformOrigin), secret };
}

/** Ends it: what was deployed stays, and pushes are taken again. */
export async function disconnectApp(context: Context, namespace: Resource<"Namespace">, appName: string): Promise<null> {
  const { app } = await openApp(context, namespace, appName);
  if (!(await context.tx.connections.remove(app.metadata.uid))) throw notConnected(appName);
  await context.tx.secrets.removeNamed(app.metadata.uid, [CONNECTION_CREDENTIAL, CONNECTION_HOOK]);
  audit(context, "connection.remove", app);
  return null;
}

/** Asks for a look at the other side now. */
export async function lookNow(context: Context, namespace: Resource<"Namespace">, appName: string): Promise<Shown> {
  const { app } = await openApp(context, namespace, appName);
  const { tx } = context;
  await tx.connections.want(app.metadata.uid, new Date());
  const connection = await tx.connections.find(app.metadata.uid);
  if (connection === undefined) throw notConnected(appName);
  tx.wake("connection", app.metadata.uid);
  audit(context, "connection.look", app);
  return shown(connection, context.settings.platformOrigin);
}

function notConnected(appName: string): AppError {
  return new AppError("not_found", `App ${appName} is connected to no repository; \`plim connect\` does that.`);
}

function shown(connection: ConnectionRecord, origin: string, build?: string): Shown {
  const { url, branch, provider, auth, publicKey, createdBy, createdAt, lookedAt, failure, commit, unreported, hookId } = connection;
  return {
    url,
    branch,
    provider,
    auth,
    ...(publicKey === undefined ? {} : { publicKey }),
    webhook: `${origin}/api/v1/hooks/${hookId}`,
    createdBy,
    createdAt: createdAt.toISOString(),
    ...(lookedAt === undefined ? {} : { lookedAt: lookedAt.toISOString() }),
    ...(failure === undefined ? {} : { failure }),
    ...(commit === undefined ? {} : { commit }),
    ...(build === undefined ? {} : { build }),
    ...(unreported === undefined ? {} : { unreported }),
  };
}
