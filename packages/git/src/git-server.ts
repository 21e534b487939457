import { tmpdir } from "node:os";
import { AppError, errorText } from "@plimsoll/core";
import { commitFiles } from "./commit-files.ts";
import { fetchRemote, type RemoteBranch, sweepFetches } from "./connect/fetch-remote.ts";
import { createGit, gitEnvironment } from "./git-command.ts";
import { type GitProcess, GitProcesses } from "./git-process.ts";
import { installHook } from "./hook/install.ts";
import { HookServer } from "./hook/server.ts";
import { PushKeeper } from "./keep-pushes.ts";
import { commitOfBranch, listRefs, type StoredRefs } from "./list-refs.ts";
import type { CommitFiles, FinishedPush, GitClock, GitLogger, GitPorts, Principal, PushToFinish, RepositoryRef } from "./ports.ts";
import { type Commit, readCommit } from "./push-refs.ts";
import { type PushSession, receivePush } from "./receive-push.ts";
import { Recent } from "./recent.ts";
import { Repositories } from "./repositories.ts";
import type { GitService } from "./repository-path.ts";
import { adviseShallow } from "./shallow-advice.ts";
import { createSmartHttp } from "./smart-http.ts";
import { ensureHostKey, type HostKey } from "./ssh/host-key.ts";
import { SshServer } from "./ssh/server.ts";

const DEFAULT_MAX_PUSH_BYTES = 1024 ** 3;
/** How long pushers have to be told that the server stops. */
const FAREWELL_MS = 500;
/** Commits whose facts are remembered. Much shorter than it takes git to forget one that no ref holds any more (two weeks). */
const REMEMBERED = { most: 32, maxAgeMs: 5 * 60_000 };
/** Git connections at the same time. */
const LIMITS = { total: 128, perUser: 16 };

export interface GitServerOptions {
  readonly ports: GitPorts;
  /** One bare repository per app lies here. This server must be the only one that serves them. */
  readonly repositoriesDir: string;
  /** Our hooks are written here. */
  readonly hooksDir: string;
  /** Unix socket for the hooks, at most 107 bytes. */
  readonly hookSocketPath: string;
  readonly hostKeyPath: string;
  /** Where SSH listens; port 0 takes a free one. */
  readonly address: string;
  readonly sshPort: number;
  /** Shown to those whose key is not known. */
  readonly portalUrl: string;
  /** Where handleHttp is mounted. Default `/git`. */
  readonly httpBasePath?: string;
  /** Default 1 GiB. */
  readonly maxPushBytes?: number;
  /** How long after a push its repository is tidied. Default 5 s. */
  readonly houseDelayMs?: number;
  readonly clock: GitClock;
  readonly logger: GitLogger;
}

export interface GitServer {
  /** Makes the host key, the hook and the socket, scans once, then takes connections. Call once. */
  listen(): Promise<{ readonly sshPort: number; readonly hostKey: Omit<HostKey, "privateKey"> }>;
  /** Tells waiting pushers that their deploys go on without them, then ends every connection and git process. */
  close(): Promise<void>;
  /** Smart HTTP below the base path, to be mounted for GET and POST. Only after `listen`. Never rejects. */
  handleHttp(request: Request): Promise<Response>;
  /**
   * Points the branch at the commit of a push whose release is live. To be called when it went live, and again after any doubt: it is
   * idempotent, needs no client, and may run concurrently with the pusher's own connection, which calls it as well.
   */
  finishPush(push: PushToFinish): Promise<FinishedPush>;
  /** Records pushes whose commit was kept and whose row is missing. For starts and resyncs; `listen` does it once. */
  scanPushes(): Promise<{ readonly recorded: number }>;
  /** A commit of an app's repository, whether or not a ref holds it; undefined when it has none of this id. */
  readCommit(appUid: string, commit: string): Promise<Commit | undefined>;
  /** The files of such a commit, read as they are asked for. */
  commitFiles(appUid: string, commit: string): CommitFiles;
  /** What an app's repository stores, as clients see it; nothing where nothing was pushed yet. */
  listRefs(appUid: string): Promise<StoredRefs>;
  /** The commit of a branch; undefined when there is none of this name. */
  commitOfBranch(appUid: string, branch: string): Promise<string | undefined>;
  /** Brings a branch of a repository elsewhere into an app's repository: see connect/fetch-remote.ts. One at a time for an app. */
  fetchRemote(
    appUid: string,
    wanted: RemoteBranch,
    signal?: AbortSignal,
  ): Promise<{ readonly commit: string; readonly knownHosts: string }>;
  /** Removes the repository of a deleted app. Idempotent. */
  removeRepository(appUid: string): Promise<void>;
}

/** The git front door: SSH and smart HTTP in, deploys out. */
export function createGitServer(options: GitServerOptions): GitServer {
  const { ports, logger, clock } = options;
  const maxPushBytes = options.maxPushBytes ?? DEFAULT_MAX_PUSH_BYTES;
  const environment = gitEnvironment({ hooksDir: options.hooksDir, maxPushBytes });
  const git = createGit(environment);
  const repositories = new Repositories(options.repositoriesDir, git);
  const processes = new GitProcesses(LIMITS);
  const inFlight = new Set<string>();
  const stopping = new AbortController();
  const keeper = new PushKeeper(git, ports, repositories, logger, inFlight, options.houseDelayMs);
  const conversations = new Set<Promise<void>>();
  // A commit never changes, and what is built is mostly asked for again: each question would start a program.
  const commits = new Recent<Commit>(REMEMBERED);
  const files = new Recent<CommitFiles>(REMEMBERED);

  const hooks = new HookServer<PushSession>(
    options.hookSocketPath,
    async (session, conversation) => {
      const finishPush = (push: PushToFinish) => keeper.finish(push);
      const work = receivePush(session, conversation, { git, ports, clock, logger, inFlight, stopping: stopping.signal, finishPush });
      conversations.add(work);
      await work.finally(() => conversations.delete(work));
    },
    logger,
  );

  async function openGit(
    principal: Principal,
    service: GitService,
    ref: RepositoryRef,
    protocol: string | undefined,
    flags: readonly string[],
  ): Promise<GitProcess> {
    const { appUid } = await ports.openRepository(principal, ref, service === "git-receive-pack" ? "write" : "read");
    const repository = await repositories.ensure(appUid);
    const admission = service === "git-receive-pack" ? hooks.admit({ principal, ref, appUid, repository }) : undefined;
    try {
      return await processes.start({
        argv: ["git", service.slice("git-".length), ...flags, repository],
        environment: { ...environment, ...admission?.environment, ...(protocol === undefined ? {} : { GIT_PROTOCOL: protocol }) },
        userId: principal.userId,
        ...(admission === undefined ? {} : { onEnd: admission.forget, through: adviseShallow() }),
      });
    } catch (error) {
      admission?.forget();
      throw error;
    }
  }

  const handleHttp = createSmartHttp({
    ports,
    logger,
    basePath: options.httpBasePath ?? "/git",
    // The commands before a pack, and what git adds to it.
    maxRequestBytes: maxPushBytes + 64 * 1024 * 1024,
    openGit: ({ principal, service, ref, protocol, advertise }) =>
      openGit(principal, service, ref, protocol, advertise ? ["--stateless-rpc", "--http-backend-info-refs"] : ["--stateless-rpc"]),
  });

  let ssh: SshServer | undefined;
  return {
    async listen() {
      await installHook(options.hooksDir);
      await repositories.sweep();
      await sweepFetches(tmpdir());
      const hostKey = await ensureHostKey(options.hostKeyPath);
      await keeper.scan();
      await hooks.listen();
      ssh = new SshServer({
        hostKey,
        ports,
        logger,
        portalUrl: options.portalUrl,
        openGit: (principal, service, ref, protocol) => openGit(principal, service, ref, protocol, []),
      });
      try {
        const sshPort = await ssh.listen(options.address, options.sshPort);
        return { sshPort, hostKey: { publicKey: hostKey.publicKey, fingerprint: hostKey.fingerprint } };
      } catch (error) {
        await hooks.close();
        throw new AppError("unavailable", `Git over SSH cannot listen on ${options.address} port ${options.sshPort}: ${errorText(error)}`, {
          cause: error,
        });
      }
    },

    async close() {
      ssh?.refuse();
      stopping.abort();
      // receive-pack passes the farewell on and ends by itself; who is in the middle of an upload is cut.
      const farewell = Promise.all([...conversations].map((work) => work.catch(() => undefined)));
      if (conversations.size > 0) {
        await Promise.race([farewell, sleep(FAREWELL_MS)]);
        await sleep(FAREWELL_MS / 5);
      }
      await processes.close();
      await ssh?.close();
      await hooks.close();
      await keeper.settle();
    },

    handleHttp,
    finishPush: (push) => keeper.finish(push),
    scanPushes: () => keeper.scan(),
    async readCommit(appUid, commit) {
      const name = `${appUid} ${commit}`;
      const known = commits.get(name);
      if (known !== undefined || !(await repositories.has(appUid))) return known;
      const found = await readCommit(git, repositories.path(appUid), commit);
      return found === undefined ? undefined : commits.put(name, found);
    },
    commitFiles(appUid, commit) {
      const name = `${appUid} ${commit}`;
      return files.get(name) ?? files.put(name, commitFiles(git, repositories.path(appUid), commit));
    },
    listRefs: async (appUid) => ((await repositories.has(appUid)) ? listRefs(git, repositories.path(appUid)) : { refs: [], more: false }),
    commitOfBranch: async (appUid, branch) =>
      (await repositories.has(appUid)) ? commitOfBranch(git, repositories.path(appUid), branch) : undefined,
    fetchRemote: async (appUid, wanted, signal) =>
      fetchRemote(wanted, {
        git,
        environment,
        repository: await repositories.ensure(appUid),
        scratchDir: tmpdir(),
        maxBytes: maxPushBytes,
        ...(signal === undefined ? {} : { signal }),
      }),
    removeRepository: (appUid) => repositories.remove(appUid),
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
