import { admitCommit, authorize, callerOf, commitSource, createApp, describeCommit } from "@plimsoll/api";
import { AppError, PLATFORM_SCOPE } from "@plimsoll/core";
import { createBuild, type Database, PLATFORM } from "@plimsoll/db";
import type { CommitFiles, GitPorts, Principal, PushRecord, RepositoryRef } from "@plimsoll/git";
import type { Notifier } from "../notifier.ts";
import type { Settings } from "../settings.ts";
import { followPush } from "./follow-push.ts";

/** A builder: it may read the one app of its build and nothing else. */
interface BuildPrincipal extends Principal {
  readonly buildOf: string;
}

/** The holder of an app's deploy key: it reaches that app's repository, and nothing else. */
interface DeployKeyPrincipal extends Principal {
  readonly keyOf: string;
  readonly access: "read" | "write";
}

/** What the git front door asks of the platform, answered from Postgres. */
export function createGitPorts(db: Database, settings: Settings, notifier: Notifier): GitPorts {
  return {
    async authenticateKey(fingerprint) {
      const user = await db.identities.userOfSshKey(fingerprint);
      if (user !== undefined) return { userId: user.id, name: user.name };
      const key = await db.identities.deployKey(fingerprint);
      if (key === undefined) return undefined;
      const { id, name, appUid: keyOf, access } = key;
      return { userId: `deploy-key:${id}`, name: `deploy key ${name}`, keyOf, access } satisfies DeployKeyPrincipal;
    },

    async authenticateToken(secret) {
      const token = await db.identities.findToken(secret, ["api", "build"]);
      if (token?.kind === "build" && token.subject !== undefined)
        return { userId: `build:${token.id}`, name: "a build", buildOf: token.subject } satisfies BuildPrincipal;
      const user = token?.userId === undefined ? undefined : await db.identities.user(token.userId);
      return user === undefined ? undefined : { userId: user.id, name: user.name };
    },

    openRepository: (principal, ref, access) => {
      if ("buildOf" in principal) return openForBuild(db, principal as BuildPrincipal, ref, access);
      if ("keyOf" in principal) return openForDeployKey(db, principal as DeployKeyPrincipal, ref, access);
      return openForUser(db, settings, principal, ref, access);
    },

    recordPush: (push, files) => recordPush(db, settings, push, files),

    async knownPushes(appUid, ids) {
      const states = new Map<string, "open" | "over">();
      const wanted = new Set(ids);
      for (const id of await db.pushes.idsOf(appUid)) {
        if (!wanted.has(id)) continue;
        const push = await db.pushes.find(id);
        if (push !== undefined) states.set(id, push.state === "open" ? "open" : "over");
      }
      return states;
    },

    followPush: (pushId, signal) => followPush(db, notifier, pushId, signal),
  };
}

async function openForUser(db: Database, settings: Settings, principal: Principal, ref: RepositoryRef, access: "read" | "write") {
  const user = await db.identities.user(principal.userId);
  if (user === undefined) throw new AppError("forbidden", "Your account is gone; ask the owner of the team.");
  const caller = callerOf(user);
  // Looked up, not caught: a database that is away must not be told as a namespace that is not there.
  const objects = db.objects(caller.scope);
  const team = await objects.findByName("Team", PLATFORM_SCOPE, ref.team);
  const namespace = team === undefined ? undefined : await objects.findByName("Namespace", team.metadata.uid, ref.namespace);
  if (team === undefined || namespace === undefined)
    throw new AppError(
      "not_found",
      `There is no namespace ${ref.team}/${ref.namespace} for you. The URL is ssh://…/<team>/<namespace>/<app>.git; \`plim init\` in the repository sets it.`,
    );
  authorize(caller, access === "write" ? "builds.create" : "apps.read", team);
  const found = await objects.findByName("App", namespace.metadata.uid, ref.app);
  if (found !== undefined) {
    if (found.metadata.deletedAt !== undefined)
      throw new AppError("conflict", `App ${ref.app} is being deleted; push again when it is gone.`);
    return { appUid: found.metadata.uid };
  }
  if (access === "read")
    throw new AppError("not_found", `There is no app ${ref.app} in ${ref.team}/${ref.namespace} yet; the first push makes it.`);
  authorize(caller, "apps.create", team);
  const app = await db.write({ scope: caller.scope }, (tx) => createApp({ tx, caller, settings }, namespace, { name: ref.app }));
  return { appUid: app.metadata.uid };
}

async function openForDeployKey(db: Database, principal: DeployKeyPrincipal, ref: RepositoryRef, access: "read" | "write") {
  const app = await findApp(db, ref);
  // Also where there is no such app: a key tells nothing of what else is here.
  if (app?.metadata.uid !== principal.keyOf)
    throw new AppError("forbidden", `This is a deploy key of another app; ${ref.team}/${ref.namespace}/${ref.app} does not know it.`);
  if (access === "write" && principal.access !== "write")
    throw new AppError(
      "forbidden",
      `This deploy key may only fetch. One that may push: plim deploy-keys add ${ref.app} --write -n ${ref.team}/${ref.namespace}`,
    );
  if (app.metadata.deletedAt !== undefined) throw new AppError("conflict", `App ${ref.app} is being deleted.`);
  return { appUid: app.metadata.uid };
}

async function findApp(db: Database, ref: RepositoryRef) {
  const objects = db.objects(PLATFORM);
  const team = await objects.findByName("Team", PLATFORM_SCOPE, ref.team);
  const namespace = team === undefined ? undefined : await objects.findByName("Namespace", team.metadata.uid, ref.namespace);
  return namespace === undefined ? undefined : await objects.findByName("App", namespace.metadata.uid, ref.app);
}

async function openForBuild(db: Database, principal: BuildPrincipal, ref: RepositoryRef, access: "read" | "write") {
  const refused = new AppError("forbidden", "A build's token reads the repository of its own app only.");
  if (access === "write") throw refused;
  const app = await findApp(db, ref);
  if (app?.metadata.uid !== principal.buildOf) throw refused;
  return { appUid: app.metadata.uid };
}

/** The push, its build as the commit describes it, and the end of older ones that nothing has been built of: one transaction. */
async function recordPush(db: Database, settings: Settings, push: PushRecord, files: CommitFiles): Promise<void> {
  // Before the transaction: it asks git.
  const says = await describeCommit((await db.objects(PLATFORM).get("App", push.appUid)).spec, files.read);
  await db.write({ scope: PLATFORM }, async (tx) => {
    const found = await tx.objects.get("App", push.appUid);
    await tx.quotas.lock(found.metadata.teamUid ?? "", found.metadata.namespaceUid ?? "");
    const app = await tx.objects.lock("App", push.appUid);
    const connection = await tx.connections.find(app.metadata.uid);
    if (connection !== undefined)
      throw new AppError(
        "precondition_failed",
        `App ${app.metadata.name} is deployed from ${connection.url}, branch ${connection.branch}: push there. To push here again: plim disconnect ${app.metadata.name}`,
      );
    const isNew = await tx.pushes.record({
      id: push.id,
      appUid: push.appUid,
      commit: push.commit,
      oldCommit: push.oldCommit,
      branch: push.branch,
      subject: push.subject.slice(0, 500),
      author: push.author.slice(0, 200),
      pusher: push.pusher.name,
    });
    if (!isNew) return;
    const namespace = await tx.objects.get("Namespace", app.metadata.namespaceUid ?? "");
    await admitCommit({ tx, settings }, { namespace, app }, says);
    const build = await createBuild(tx, {
      namespace,
      app,
      source: commitSource(app.spec, { ...push, ref: `refs/heads/${push.branch}` }, says),
      ...(says.config === undefined ? {} : { config: says.config }),
      pushId: push.id,
      requestedBy: push.pusher.name,
    });
    await tx.pushes.setBuild(push.id, build.metadata.uid);
    // The build controller ends what this push supersedes.
    for (const older of await tx.objects.list("Build", { ownerUid: push.appUid, phases: ["pending", "placed", "running"] }))
      tx.wake("build", older.metadata.uid);
    tx.audit({
      actor: push.pusher.userId,
      action: "push.record",
      objectUid: app.metadata.uid,
      details: { commit: push.commit, branch: push.branch },
      ...(app.metadata.teamUid === undefined ? {} : { teamUid: app.metadata.teamUid }),
    });
  });
}
