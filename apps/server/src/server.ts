import { chmod, mkdir, rm } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { networkInterfaces } from "node:os";
import { dirname, join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { createApi, createStreamBroker, type PlimsollApi } from "@plimsoll/api";
import { type Logger, systemClock } from "@plimsoll/config";
import { createControllers } from "@plimsoll/controllers";
import { newUid } from "@plimsoll/core";
import { type Database, openDatabase, PLATFORM, type PushRecord } from "@plimsoll/db";
import { createAddressGuard, createGitServer, guessProvider, isBranchName, newDeployKeyPair, parseRemote } from "@plimsoll/git";
import { openQueue } from "@plimsoll/queue";
import { openAgentGateway } from "./agent-gateway.ts";
import { type Authority, openAuthority } from "./authority.ts";
import { createConnectionPorts } from "./git/connections.ts";
import { createGitPorts } from "./git/ports.ts";
import { Notifier } from "./notifier.ts";
import { platformKey } from "./platform-key.ts";
import { readRegistryKey } from "./registry-key.ts";
import type { Settings } from "./settings.ts";
import { hostUserKey } from "./setup.ts";

const NETWORK = "10.64.0.0/10";
const SOURCE_NETWORK = "100.64.0.0/16";
/** Commits that were kept while their record failed are looked for this often. */
const SCAN_MS = 30_000;

export interface RunningServer {
  close(): Promise<void>;
}

/** Opens the database that settings name, with the installation's platform key. */
export async function openPlatformDatabase(settings: Settings): Promise<{ readonly db: Database; readonly key: Buffer }> {
  const key = await platformKey(join(settings.dataDir, "secrets", "platform.key"));
  return { db: openDatabase(settings.databaseUrl, key), key };
}

/** Starts everything that the server is: API, git front door, controllers, and the gateway for other hosts where one is wanted. */
export async function startServer(settings: Settings, log: Logger): Promise<RunningServer> {
  const { db, key } = await openPlatformDatabase(settings);
  const queue = openQueue({ redisUrl: settings.redisUrl, prefix: settings.queuePrefix, log, hostUserKey: hostUserKey(key) });
  const notifier = new Notifier(db);
  const authority = settings.agentListen === undefined ? undefined : await openAuthority(join(settings.dataDir, "secrets"));

  // Beside the API's socket, where names are short, and closed to others.
  const hookSocketPath = join(dirname(settings.apiSocket), "git", "hooks.sock");
  await mkdir(dirname(hookSocketPath), { recursive: true });
  await chmod(dirname(hookSocketPath), 0o700);

  const git = createGitServer({
    ports: createGitPorts(db, settings, notifier),
    repositoriesDir: join(settings.dataDir, "git", "repositories"),
    hooksDir: join(settings.dataDir, "git", "hooks"),
    hookSocketPath,
    hostKeyPath: join(settings.dataDir, "secrets", "ssh_host_ed25519"),
    address: settings.sshAddress,
    sshPort: settings.sshPort,
    portalUrl: settings.platformOrigin,
    clock: { now: () => Date.now() },
    logger: log,
  });
  const guard = createAddressGuard({
    allowed: settings.gitFetchAllow,
    denied: async () => [
      NETWORK,
      SOURCE_NETWORK,
      ...ownAddresses(),
      ...(await db.objects(PLATFORM).list("Host")).map(({ spec }) => spec.underlay),
    ],
  });
  const streams = createStreamBroker({
    newId: () => newUid("str"),
    wake: (hostUid) =>
      queue.enqueue([{ job: "sync", key: hostUid }]).catch((error: unknown) => log.debug("a host could not be woken", { hostUid, error })),
  });
  const registryKey = await readRegistryKey(join(settings.dataDir, "secrets"));
  const api = createApi({
    db,
    ...(settings.registry === undefined || registryKey === undefined
      ? {}
      : { registryAt: { ...settings.registry, dataDir: join(settings.dataDir, "registry", "data"), privateKeyPem: registryKey } }),
    settings: {
      ...settings,
      network: NETWORK,
      sourceNetwork: SOURCE_NETWORK,
      hostCommand: hostCommand(settings, authority),
      clientAddressHeader: "x-forwarded-for",
    },
    clock: systemClock,
    logger: log,
    streams,
    git: {
      fetch: (request) => git.handleHttp(request),
      readCommit: git.readCommit,
      commitFiles: git.commitFiles,
      listRefs: git.listRefs,
      commitOfBranch: git.commitOfBranch,
    },
    remotes: { isBranchName, parseRemote, guessProvider, newDeployKeyPair },
    hostQueue: async (hostUid) => {
      const { url, prefix } = await queue.ensureHostUser(hostUid);
      return { url, prefix };
    },
  });
  const controllers = createControllers({
    db,
    queue,
    clock: systemClock,
    logger: log,
    settings: {
      appsDomain: settings.appsDomain,
      ...(settings.appsDomain === "localhost" ? { appsScheme: "http", appsPort: settings.httpPort } : { appsScheme: "https" }),
      reservedHosts: [settings.platformDomain],
    },
    ports: {
      async finishPush(push: PushRecord, end) {
        if (end.state === "refused") return end;
        const finished = await git.finishPush(push);
        return finished.moved ? end : { state: "refused", reason: finished.reason };
      },
      async appDeleted(app) {
        await api.registry?.appDeleted(app);
        await git.removeRepository(app.metadata.uid);
      },
      ...createConnectionPorts({ db, git, guard, settings, log }),
    },
  });

  await git.listen();
  const http = await listenOnSocket(settings.apiSocket, api);
  // Redis may have lost its users with its data; every enrolled host gets its own back.
  for (const host of await db.objects(PLATFORM).list("Host"))
    void queue.ensureHostUser(host.metadata.uid).catch((error: unknown) => log.warn("a host's queue user could not be made", { error }));
  const gateway =
    settings.agentListen === undefined || authority === undefined
      ? undefined
      : await openAgentGateway({
          listen: settings.agentListen,
          authority,
          db,
          apiSocket: settings.apiSocket,
          redisUrl: settings.redisUrl,
          log,
        });
  await controllers.start();
  const scan = () => void git.scanPushes().catch((error: unknown) => log.warn("scanning pushes failed", { error }));
  // At once: what kept a commit and did not come to record it was most likely this server's own last end.
  scan();
  const scans = setInterval(scan, SCAN_MS);
  log.info("serving", { socket: settings.apiSocket, ssh: settings.sshPort });

  return {
    async close() {
      clearInterval(scans);
      http.close();
      await gateway?.close();
      await git.close();
      await controllers.stop();
      await api.close();
      await notifier.close();
      await queue.close();
      http.closeAllConnections();
      await db.close();
    },
  };
}

/** The ingress runs as a user of its own and connects here: who may do what is decided by the API, not by the socket's mode. */
async function listenOnSocket(path: string, api: PlimsollApi) {
  await rm(path, { force: true });
  const answer = getRequestListener(api.fetch);
  const http = createHttpServer({ requestTimeout: 0 }, (request, response) => {
    const isRegistry = api.registry !== undefined && /^\/v2(?:\/|$|\?)/.test(request.url ?? "");
    if (isRegistry) api.registry?.door(request, response);
    else void answer(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    http.once("error", reject);
    http.listen(path, resolve);
  });
  await chmod(path, 0o666);
  return http;
}

/** Of this machine, on all of its interfaces. */
function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address.split("%")[0] ?? ""));
}

/** What an operator runs on a new machine. */
function hostCommand(settings: Settings, authority: Authority | undefined): (token: string) => string {
  return (token) => {
    if (settings.agentListen === undefined || authority === undefined)
      return "(this platform listens on this machine only: start it with PLIMSOLL_AGENT_LISTEN=<address>:7443 first)";
    const { host, port } = settings.agentListen;
    return `npm run join -- --server https://${host}:${port} --token ${token}.${authority.fingerprint}`;
  };
}
