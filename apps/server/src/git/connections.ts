import { admitCommit, commitSource, describeCommit } from "@plimsoll/api";
import { AppError, errorText, isBuildOver, isDeploymentOver, type Resource, toAppError } from "@plimsoll/core";
import { CONNECTION_CREDENTIAL, type ConnectionRecord, createBuild, type Database, PLATFORM } from "@plimsoll/db";
import { type AddressGuard, type GitServer, parseRemote, type RemoteCredential, sendStatus, statusRequest } from "@plimsoll/git";
import type { Settings } from "../settings.ts";

export interface ConnectionOptions {
  readonly db: Database;
  readonly git: Pick<GitServer, "fetchRemote" | "readCommit" | "commitFiles">;
  readonly guard: AddressGuard;
  readonly settings: Pick<Settings, "platformOrigin">;
  readonly log: { warn(message: string, fields?: Readonly<Record<string, unknown>>): void };
}

/** Who asked for a build that nobody here did, for people. */
const NAMES = { github: "GitHub", gitlab: "GitLab", gitea: "Gitea", plain: "connected repository" } as const;

/** What controllers ask about connected repositories: see ControllerPorts. */
export function createConnectionPorts({ db, git, guard, settings, log }: ConnectionOptions) {
  async function credentialOf(app: Resource<"App">): Promise<RemoteCredential> {
    const { uid, namespaceUid = "" } = app.metadata;
    const text = await db.secrets.openOnly(namespaceUid, uid, CONNECTION_CREDENTIAL);
    return text === undefined ? { kind: "none" } : (JSON.parse(text) as RemoteCredential);
  }

  async function look(connection: ConnectionRecord, app: Resource<"App">, signal: AbortSignal): Promise<void> {
    const remote = parseRemote(connection.url);
    const { address, exempt } = await guard.resolve(remote.host);
    if (remote.scheme === "http" && !exempt)
      throw new AppError("invalid", `${connection.url} is without TLS; give an address of https:// or ssh.`);
    const credential = await credentialOf(app);
    const wanted = { remote, branch: connection.branch, credential, knownHosts: connection.knownHosts, address };
    const { commit, knownHosts } = await git.fetchRemote(connection.appUid, wanted, signal);
    if (commit === connection.commit) {
      // What was wrong with this commit still is; that it could not be fetched is over.
      if (connection.failure !== undefined && connection.buildUid !== undefined)
        await db.write({ scope: PLATFORM }, (tx) => tx.connections.note(connection, { failure: null }));
      return;
    }
    try {
      await buildCommit(connection, app, commit, knownHosts);
    } catch (error) {
      const failure = toAppError(error);
      if (
        failure.retry !== "never" &&
        failure.code !== "invalid" &&
        failure.code !== "precondition_failed" &&
        failure.code !== "quota_exceeded"
      )
        throw error;
      // Of this commit nothing will come; the next one is looked at again.
      const change = { commit, knownHosts, buildUid: null, reported: null, unreported: null, failure: failure.message };
      await db.write({ scope: PLATFORM }, (tx) => tx.connections.note(connection, change));
    }
  }

  async function buildCommit(
    connection: ConnectionRecord,
    { metadata, spec }: Resource<"App">,
    commit: string,
    knownHosts: string,
  ): Promise<void> {
    const facts = await git.readCommit(metadata.uid, commit);
    if (facts === undefined) throw new AppError("internal", "A commit that was fetched is not there.");
    // Before the transaction: it asks git.
    const says = await describeCommit(spec, git.commitFiles(metadata.uid, commit).read);
    await db.write({ scope: PLATFORM }, async (tx) => {
      await tx.quotas.lock(metadata.teamUid ?? "", metadata.namespaceUid ?? "");
      const app = await tx.objects.lock("App", metadata.uid);
      const namespace = await tx.objects.get("Namespace", metadata.namespaceUid ?? "");
      await admitCommit({ tx, settings }, { namespace, app }, says);
      const build = await createBuild(tx, {
        namespace,
        app,
        source: commitSource(app.spec, { ...facts, commit, ref: `refs/heads/${connection.branch}` }, says),
        ...(says.config === undefined ? {} : { config: says.config }),
        requestedBy: NAMES[connection.provider],
      });
      // The build controller ends what this one supersedes.
      for (const older of await tx.objects.list("Build", { ownerUid: metadata.uid, phases: ["pending", "placed", "running"] }))
        tx.wake("build", older.metadata.uid);
      const buildUid = build.metadata.uid;
      await tx.connections.note(connection, { commit, knownHosts, buildUid, failure: null, reported: null, unreported: null });
      tx.audit({
        actor: `connection:${connection.hookId}`,
        action: "connection.deploy",
        objectUid: metadata.uid,
        details: { commit, branch: connection.branch },
        ...(metadata.teamUid === undefined ? {} : { teamUid: metadata.teamUid }),
      });
    });
  }

  return {
    async lookAtConnection(connection: ConnectionRecord, signal: AbortSignal): Promise<void> {
      const app = await db.objects(PLATFORM).find("App", connection.appUid);
      if (app === undefined || app.metadata.deletedAt !== undefined) return;
      const lookedAt = new Date();
      await db.write({ scope: PLATFORM }, (tx) => tx.connections.note(connection, { lookedAt }));
      try {
        await look(connection, app, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        const failure = toAppError(error);
        if (failure.code === "internal")
          log.warn("a connected repository could not be looked at", { appUid: connection.appUid, error: errorText(error) });
        await db.write({ scope: PLATFORM }, (tx) => tx.connections.note(connection, { failure: failure.message }));
      }
    },

    async reportConnection(connection: ConnectionRecord): Promise<boolean> {
      const { commit, buildUid } = connection;
      const app = await db.objects(PLATFORM).find("App", connection.appUid);
      if (commit === undefined || app === undefined || connection.auth !== "token" || connection.provider === "plain") return false;
      const build = buildUid === undefined ? undefined : await db.objects(PLATFORM).find("Build", buildUid);
      const told = await stateOf(db, build, connection);
      const goesOn = told.state === "pending";
      if (connection.reported === `${commit}:${told.state}`) return goesOn;
      const unreported = await send(connection, app, build, { ...told, commit }).then(
        () => null,
        (error: unknown) => toAppError(error).message,
      );
      // Each state is told once: who does not listen is not asked again, and why is shown.
      await db.write({ scope: PLATFORM }, (tx) => tx.connections.note(connection, { reported: `${commit}:${told.state}`, unreported }));
      return goesOn;
    },
  };

  async function send(
    connection: ConnectionRecord,
    app: Resource<"App">,
    build: Resource<"Build"> | undefined,
    told: { readonly commit: string; readonly state: "pending" | "success" | "failure"; readonly description: string },
  ): Promise<void> {
    const credential = await credentialOf(app);
    if (credential.kind !== "token") return;
    const { name, team, namespace } = app.metadata;
    const page = `${settings.platformOrigin}/${team}/${namespace}/apps/${name}`;
    const url = build === undefined ? `${page}/repository` : `${page}/builds/${build.metadata.name}`;
    const status = { ...told, url, context: `plimsoll/${namespace}/${name}` };
    const request = statusRequest(connection.provider, parseRemote(connection.url), credential.token, status);
    if (request !== undefined) await sendStatus(request, guard);
  }
}

/** What became of a commit, as its own host is told. */
async function stateOf(db: Database, build: Resource<"Build"> | undefined, { failure }: ConnectionRecord) {
  const failed = (description: string) => ({ state: "failure" as const, description });
  if (build === undefined) return failed(failure?.split("\n")[0] ?? "it is not deployed");
  const { phase, release, failure: why } = build.status;
  if (!isBuildOver(phase)) return { state: "pending" as const, description: "is being built" };
  if (phase !== "succeeded") return failed(why === undefined ? `the build was ${phase}` : `build failed: ${why.message.split("\n")[0]}`);
  if (release === undefined) return { state: "pending" as const, description: "is built" };
  const deployments = await db
    .objects(PLATFORM)
    .list("Deployment", { ownerUid: build.metadata.ownerUid ?? "", newestFirst: true, limit: 20 });
  const deployment = deployments.find(({ spec }) => spec.release === release);
  if (deployment === undefined || (!isDeploymentOver(deployment.status.phase) && deployment.status.readyAt === undefined))
    return { state: "pending" as const, description: `v${release} is being rolled out` };
  if (deployment.status.readyAt !== undefined) return { state: "success" as const, description: `v${release} is live` };
  return failed(`v${release} was not released`);
}
