import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { AppError } from "@plimsoll/core";
import { minimalEnv, type Output, run, start } from "@plimsoll/exec";
import {
  createGitServer,
  type GitPorts,
  type GitServer,
  type Principal,
  type PushProgress,
  type PushRecord,
  type RepositoryRef,
} from "./index.ts";

/** The platform as the front door sees it, kept in memory: real rules, no database. For tests. */
export class MemoryPlatform implements GitPorts {
  readonly keys = new Map<string, Principal>();
  readonly tokens = new Map<string, Principal & { readonly readOnly?: boolean }>();
  readonly apps = new Map<string, string>();
  readonly pushes = new Map<
    string,
    { readonly push: PushRecord; readonly told: PushProgress[]; over: boolean; readonly recordedAtMs: number }
  >();
  /** What happens to a push once it is recorded. Default: it goes live at once. */
  deploy: (push: PushRecord, tell: (progress: PushProgress) => void) => void = (_push, tell) => tell(live());
  /** Thrown by the next recordings, one each. */
  readonly recordFailures: Error[] = [];
  readonly #listeners = new Set<() => void>();

  async authenticateKey(fingerprint: string): Promise<Principal | undefined> {
    return this.keys.get(fingerprint);
  }

  async authenticateToken(secret: string): Promise<Principal | undefined> {
    return this.tokens.get(secret);
  }

  async openRepository(principal: Principal & { readonly readOnly?: boolean }, ref: RepositoryRef, access: "read" | "write") {
    const name = `${ref.team}/${ref.namespace}/${ref.app}`;
    if (ref.team !== "acme")
      throw new AppError("not_found", `There is no ${name} that ${principal.name} can see: ask an owner of team ${ref.team}.`);
    if (access === "write" && principal.readOnly === true) throw new AppError("forbidden", "This token can only read.");
    const appUid = this.apps.get(name) ?? `app_${this.apps.size + 1}`;
    if (access === "read" && !this.apps.has(name)) throw new AppError("not_found", `There is no app ${name}: push to create it.`);
    this.apps.set(name, appUid);
    return { appUid };
  }

  async recordPush(push: PushRecord): Promise<void> {
    const failure = this.recordFailures.shift();
    if (failure !== undefined) throw failure;
    if (this.pushes.has(push.id)) return;
    for (const older of this.pushes.values()) {
      if (older.over || older.push.appUid !== push.appUid) continue;
      this.#tell(older.push.id, {
        type: "outcome",
        outcome: { ok: false, kind: "superseded", by: { commit: push.commit, pusher: push.pusher.name } },
      });
    }
    this.pushes.set(push.id, { push, told: [], over: false, recordedAtMs: performance.timeOrigin + performance.now() });
    this.deploy(push, (progress) => this.#tell(push.id, progress));
  }

  async knownPushes(appUid: string, ids: readonly string[]): Promise<ReadonlyMap<string, "open" | "over">> {
    return new Map(
      ids.flatMap((id) => {
        const found = this.pushes.get(id);
        return found?.push.appUid === appUid ? [[id, found.over ? "over" : "open"] as const] : [];
      }),
    );
  }

  async *followPush(pushId: string, signal: AbortSignal): AsyncGenerator<PushProgress> {
    const told = this.pushes.get(pushId)?.told ?? [];
    for (let at = 0; !signal.aborted; ) {
      const progress = told[at];
      if (progress === undefined) {
        await new Promise<void>((resolve) => {
          const wake = () => {
            this.#listeners.delete(wake);
            resolve();
          };
          this.#listeners.add(wake);
          signal.addEventListener("abort", wake, { once: true });
        });
        continue;
      }
      at++;
      yield progress;
      if (progress.type === "outcome") return;
    }
  }

  /** Resolves when `count` pushes are recorded. */
  async recorded(count: number): Promise<readonly PushRecord[]> {
    await until(() => this.pushes.size >= count);
    return [...this.pushes.values()].map(({ push }) => push);
  }

  #tell(pushId: string, progress: PushProgress): void {
    const found = this.pushes.get(pushId);
    if (found === undefined || found.over) return;
    found.told.push(progress);
    if (progress.type === "outcome") found.over = true;
    for (const wake of [...this.#listeners]) wake();
  }
}

export function live(): PushProgress {
  return { type: "outcome", outcome: { ok: true, url: "http://shop-store.localhost:8080", sincePushMs: 3600 } };
}

export async function until(holds: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error("what was waited for did not happen");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A directory with a git server, a platform and people who push. Everything ends with `close`. */
export class GitWorld {
  readonly platform = new MemoryPlatform();
  readonly log: string[] = [];
  readonly directory: string;
  server: GitServer;
  sshPort = 0;
  httpPort = 0;
  hostKey = "";
  #http: Server | undefined;
  #people = 0;
  readonly #maxPushBytes: number | undefined;

  private constructor(directory: string, maxPushBytes: number | undefined) {
    this.directory = directory;
    this.#maxPushBytes = maxPushBytes;
    this.server = this.#create();
  }

  /** `directory` takes over what another world left there. */
  static async open(directory?: string, maxPushBytes?: number): Promise<GitWorld> {
    const world = new GitWorld(directory ?? (await mkdtemp(join(tmpdir(), "plimsoll-git-"))), maxPushBytes);
    await world.listen();
    return world;
  }

  async listen(): Promise<void> {
    const { sshPort, hostKey } = await this.server.listen();
    this.sshPort = sshPort;
    this.hostKey = hostKey.publicKey;
    this.#http = createServer(async (request, response) => {
      const body = request.method === "POST" ? { body: Readable.toWeb(request) as ReadableStream, duplex: "half" as const } : {};
      const headers = Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]);
      const answer = await this.server.handleHttp(
        new Request(`http://localhost${request.url}`, { method: request.method ?? "GET", headers, ...body }),
      );
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      const reader = answer.body?.getReader();
      response.on("close", () => void reader?.cancel().catch(() => undefined));
      for (;;) {
        const next = await reader?.read();
        if (next === undefined || next.done) break;
        response.write(next.value);
      }
      response.end();
    });
    await new Promise<void>((resolve) => this.#http?.listen(0, "127.0.0.1", () => resolve()));
    this.httpPort = (this.#http.address() as AddressInfo).port;
  }

  /** The server ends as by `npm stop`; a new one on the same directory takes over with `listen`. */
  async restart(): Promise<void> {
    await this.stop();
    this.server = this.#create();
    await this.listen();
  }

  async stop(): Promise<void> {
    await this.server.close();
    this.#http?.closeAllConnections();
    await new Promise((resolve) => this.#http?.close(resolve));
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  #create(): GitServer {
    const note = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) =>
      void this.log.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
    return createGitServer({
      ports: this.platform,
      repositoriesDir: join(this.directory, "repositories"),
      hooksDir: join(this.directory, "hooks"),
      houseDelayMs: 20,
      hookSocketPath: join(this.directory, "hook.sock"),
      hostKeyPath: join(this.directory, "ssh_host_ed25519_key"),
      address: "127.0.0.1",
      sshPort: 0,
      portalUrl: "http://localhost:8080",
      ...(this.#maxPushBytes === undefined ? {} : { maxPushBytes: this.#maxPushBytes }),
      clock: Date,
      logger: { info: note("info"), warn: note("warn"), error: note("error") },
    });
  }

  repository(app: string): string {
    return join(this.directory, "repositories", `${this.platform.apps.get(app)}.git`);
  }

  /** What a ref of an app's repository points at; empty when it is not there. */
  async ref(app: string, ref: string): Promise<string> {
    const { stdout } = await run(["git", "--git-dir", this.repository(app), "for-each-ref", "--format=%(objectname)", ref]);
    return stdout.trim();
  }

  /** A person with a key and a clone-to-be. `known`: the platform knows the key. */
  async person(
    name: string,
    options: { readonly known?: boolean; readonly keyType?: string; readonly keyBits?: number } = {},
  ): Promise<Person> {
    const home = join(this.directory, `person-${++this.#people}`);
    await mkdir(home);
    const key = join(home, "id");
    const bits = options.keyBits === undefined ? [] : ["-b", String(options.keyBits)];
    await run(["ssh-keygen", "-q", "-t", options.keyType ?? "ed25519", ...bits, "-N", "", "-C", name, "-f", key]);
    const fingerprint = (await run(["ssh-keygen", "-l", "-f", key])).stdout.split(" ")[1] ?? "";
    const principal = { userId: `user_${name.toLowerCase()}`, name };
    if (options.known !== false) this.platform.keys.set(fingerprint, principal);
    this.platform.tokens.set(`token-of-${name}`, principal);
    return new Person(this, home, name, fingerprint);
  }
}

export interface RunningPush {
  kill(): void;
  /** What it has shown so far. */
  seen(): string;
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

export class Person {
  readonly #world: GitWorld;
  readonly home: string;
  readonly name: string;
  readonly fingerprint: string;
  readonly work: string;

  constructor(world: GitWorld, home: string, name: string, fingerprint: string) {
    this.#world = world;
    this.home = home;
    this.name = name;
    this.fingerprint = fingerprint;
    this.work = join(home, "work");
  }

  get env(): Readonly<Record<string, string>> {
    return {
      ...minimalEnv,
      HOME: this.home,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_TERMINAL_PROMPT: "0",
      GIT_SSH_COMMAND: this.sshCommand.join(" "),
      GIT_AUTHOR_NAME: this.name,
      GIT_AUTHOR_EMAIL: `${this.name}@example.com`,
      GIT_COMMITTER_NAME: this.name,
      GIT_COMMITTER_EMAIL: `${this.name}@example.com`,
    };
  }

  get sshCommand(): readonly string[] {
    const known = join(this.home, "known_hosts");
    return ["ssh", "-F", "/dev/null", "-i", join(this.home, "id"), "-o", "IdentitiesOnly=yes", "-o", `UserKnownHostsFile=${known}`];
  }

  /** Trusts the server's key as it was told, and nothing else. */
  async trust(): Promise<void> {
    await writeFile(join(this.home, "known_hosts"), `[127.0.0.1]:${this.#world.sshPort} ${this.#world.hostKey}\n`);
  }

  ssh(path = "acme/store/shop.git"): string {
    return `ssh://git@127.0.0.1:${this.#world.sshPort}/${path}`;
  }

  http(path = "acme/store/shop.git", token = `token-of-${this.name}`): string {
    return `http://x:${token}@127.0.0.1:${this.#world.httpPort}/git/${path}`;
  }

  git(...args: readonly string[]): Promise<Output> {
    return run(["git", ...args], { env: this.env, cwd: this.work, okCodes: [0, 1, 128], timeoutMs: 30_000 });
  }

  /** A new commit on main with a file of that content; its id. */
  async commit(subject: string, content = subject, file = "file"): Promise<string> {
    await mkdir(this.work, { recursive: true });
    await this.git("init", "--quiet", "--initial-branch=main");
    await writeFile(join(this.work, file), content);
    await this.git("add", "--all");
    await this.git("commit", "--quiet", "--allow-empty", "-m", subject);
    return (await this.git("rev-parse", "HEAD")).stdout.trim();
  }

  async push(url: string = this.ssh(), ...refs: readonly string[]): Promise<Output> {
    await this.trust();
    return this.git("push", url, ...(refs.length === 0 ? ["main"] : refs));
  }

  /** A push that is not waited for; `kill` drops it with its connection. */
  async startPush(url: string = this.ssh()): Promise<RunningPush> {
    await this.trust();
    const child = await start(["git", "push", url, "main"], {
      env: this.env,
      cwd: this.work,
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const ended = new Promise<{ code: number | null; stderr: string }>((resolve) =>
      child.once("close", (code) => resolve({ code, stderr })),
    );
    return { kill: () => void process.kill(-child.pid, "SIGKILL"), seen: () => stderr, ended };
  }
}

/** What the platform said, without git's own lines and its `remote: `. */
export function said(output: { readonly stderr: string }): string {
  return output.stderr
    .split("\n")
    .filter((line) => line.startsWith("remote:"))
    .map((line) => line.replace(/^remote: ?/, "").trimEnd())
    .join("\n");
}
