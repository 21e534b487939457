import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { AppError } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { type Docker, ensureDockerInstalled, importImage, startDocker } from "../bench/docker.ts";
import { BASES, DERIVED } from "./bases.ts";
import type { Case, Config, Outcome } from "./case.ts";
import { argsOf, writeContext } from "./context.ts";
import { relativeTo, snapshotOf, type Tree } from "./snapshot.ts";
import { serveFiles } from "./web-server.ts";

/** The Docker engine, asked what a case comes to. */
export interface Oracle {
  /** `Docker 20.10.24+dfsg1, BuildKit`. */
  readonly version: string;
  build(one: Case): Promise<Outcome>;
  close(): Promise<void>;
}

interface Inspected {
  readonly Author?: string;
  readonly Config: {
    readonly Env: readonly string[] | null;
    readonly Cmd: readonly string[] | null;
    readonly Entrypoint: readonly string[] | null;
    readonly User: string;
    readonly WorkingDir: string;
    readonly ExposedPorts?: Readonly<Record<string, unknown>> | null;
    readonly Volumes?: Readonly<Record<string, unknown>> | null;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Healthcheck?: {
      readonly Test?: readonly string[];
      readonly Interval?: number;
      readonly Timeout?: number;
      readonly StartPeriod?: number;
      readonly Retries?: number;
    } | null;
    readonly StopSignal?: string;
    readonly Shell?: readonly string[] | null;
    readonly OnBuild?: readonly string[] | null;
  };
  readonly GraphDriver: { readonly Name: string; readonly Data: { readonly LowerDir?: string; readonly UpperDir: string } | null };
}

/** Starts an engine of its own with the bases. Undefined where docker.io is not installed; nothing is installed here unless told. */
export async function startOracle(options: { readonly install: boolean }): Promise<Oracle | undefined> {
  const scratch = await mkdtemp(join(tmpdir(), "plimsoll-conformance-"));
  if (!(await ensureDockerInstalled({ install: options.install, logPath: join(tmpdir(), "plimsoll-conformance-apt.log") }))) {
    await rm(scratch, { recursive: true });
    return undefined;
  }
  const home = join(scratch, "engine");
  await mkdir(home);
  const docker = await startDocker(home);
  let server: Awaited<ReturnType<typeof serveFiles>> | undefined;
  const close = async () => {
    await server?.close();
    await docker.stop();
    await rm(scratch, { recursive: true, force: true });
  };
  try {
    server = await serveFiles({ host: await gatewayOf(docker) });
    for (const base of BASES) await addBase(docker, scratch, base);
    const engine = new Engine(docker, scratch, server.address);
    for (const [name, dockerfile] of Object.entries(DERIVED)) await engine.derive(name, dockerfile);
    return { version: `Docker ${docker.version} with its BuildKit`, build: (one) => engine.build(one), close };
  } catch (error) {
    await close();
    throw error;
  }
}

class Engine {
  private readonly docker: Docker;
  private readonly scratch: string;
  private readonly server: string;
  private base: Tree | undefined;
  private sequence = 0;

  constructor(docker: Docker, scratch: string, server: string) {
    this.docker = docker;
    this.scratch = scratch;
    this.server = server;
  }

  async derive(name: string, dockerfile: string): Promise<void> {
    const context = join(this.scratch, `derived-${name}`);
    await writeContext(context, { name, features: [], dockerfile });
    await this.docker.docker("build", "--quiet", "--network=none", "--tag", name, context);
  }

  async build(one: Case): Promise<Outcome> {
    this.base ??= snapshotOf(layersOf(await this.inspect("base")));
    const tag = `case-${this.sequence++}`;
    const context = join(this.scratch, tag);
    await writeContext(context, one);
    const args = Object.entries(argsOf(one, this.server)).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
    const target = one.target === undefined ? [] : ["--target", one.target];
    const secrets = await this.secretsOf(one, tag);
    const file = ["--file", join(context, one.path ?? "Dockerfile")];
    try {
      await this.docker.docker("build", "--quiet", "--network=none", "--tag", tag, ...args, ...target, ...secrets, ...file, context);
    } catch (error) {
      return { error: messageOf(error) };
    } finally {
      await rm(context, { recursive: true });
    }
    const inspected = await this.inspect(tag);
    return { tree: relativeTo(this.base, snapshotOf(layersOf(inspected))), config: configOf(inspected) };
  }

  private async secretsOf({ secrets }: Case, tag: string): Promise<readonly string[]> {
    const flags: string[] = [];
    for (const [id, value] of Object.entries(secrets ?? {})) {
      const path = join(this.scratch, `${tag}-secret-${id}`);
      await writeFile(path, value);
      flags.push("--secret", `id=${id},src=${path}`);
    }
    return flags;
  }

  private async inspect(name: string): Promise<Inspected> {
    const [inspected] = JSON.parse((await this.docker.docker("image", "inspect", name)).stdout) as Inspected[];
    if (inspected === undefined) throw new Error(`the engine has no image ${name}`);
    return inspected;
  }
}

async function addBase(docker: Docker, scratch: string, { name, env, cmd, labels, fill }: (typeof BASES)[number]): Promise<void> {
  const root = join(scratch, `base-${name}`);
  await mkdir(root, { mode: 0o755 });
  fill(root);
  const tar = `${root}.tar`;
  await run(["tar", "-C", root, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-cf", tar, "."]);
  await importImage(docker, tar, name, [
    ...env.map((one) => `ENV ${one}`),
    ...(cmd.length === 0 ? [] : [`CMD ${JSON.stringify(cmd)}`]),
    ...Object.entries(labels).map(([key, value]) => `LABEL ${key}=${value}`),
  ]);
}

/** The real machine, seen from the engine's network. */
async function gatewayOf({ netns }: Docker): Promise<string> {
  const { stdout } = await run(["ip", "-n", basename(netns), "-j", "route", "show", "default"]);
  const [route] = JSON.parse(stdout) as { gateway: string }[];
  if (route === undefined) throw new Error("the engine's network has no way out");
  return route.gateway;
}

/** Bottom first; an image of settings alone has none. */
function layersOf({ GraphDriver: { Name, Data } }: Inspected): readonly string[] {
  if (Name !== "overlay2") throw new Error(`the engine stores layers by ${Name}; only overlay2 can be read`);
  if (Data === null) return [];
  return [Data.UpperDir, ...(Data.LowerDir ?? "").split(":").filter((path) => path !== "")].toReversed();
}

function configOf({ Author, Config: config }: Inspected): Config {
  const ms = (nanoseconds: number | undefined) => (nanoseconds ? nanoseconds / 1e6 : undefined);
  const health = config.Healthcheck;
  return compact({
    env: config.Env ?? [],
    cmd: config.Cmd ?? [],
    entrypoint: config.Entrypoint ?? [],
    user: config.User,
    workdir: config.WorkingDir,
    ports: Object.keys(config.ExposedPorts ?? {}),
    volumes: Object.keys(config.Volumes ?? {}),
    labels: config.Labels ?? {},
    stopSignal: config.StopSignal ?? "",
    shell: config.Shell ?? [],
    onbuild: config.OnBuild ?? [],
    author: Author ?? "",
    ...(health?.Test === undefined
      ? {}
      : {
          healthcheck: compact({
            test: health.Test,
            intervalMs: ms(health.Interval),
            timeoutMs: ms(health.Timeout),
            startPeriodMs: ms(health.StartPeriod),
            retries: health.Retries || undefined,
          }),
        }),
  });
}

/** Without empty fields; sets in order. `/` as working directory is what an image without one has. */
export function compact<T extends object>(config: T): T {
  const ordered = Object.entries(config).map(([key, value]) => {
    if (key === "ports" || key === "volumes") return [key, (value as string[]).toSorted()] as const;
    if (key === "labels") return [key, Object.fromEntries(Object.entries(value as object).sort(([a], [b]) => (a < b ? -1 : 1)))] as const;
    return [key, value] as const;
  });
  const isEmpty = (key: string, value: unknown) =>
    value === undefined ||
    value === "" ||
    (key === "workdir" && value === "/") ||
    (typeof value === "object" && value !== null && Object.keys(value).length === 0);
  return Object.fromEntries(ordered.filter(([key, value]) => !isEmpty(key, value))) as T;
}

/** What the engine said, without what differs from run to run. Throws where it was not the case that failed, but the engine. */
function messageOf(error: unknown): string {
  const said = error instanceof AppError ? String(error.details.stderr) : "";
  if (said === "" || /connect to the Docker daemon|docker\.sock|unexpected EOF/.test(said))
    throw new Error("the engine is gone, killed by this case or from outside", { cause: error });
  const last = said.trimEnd().split("\n").at(-1) ?? "";
  return last
    .replace(/^.*?failed to solve with frontend dockerfile\.v0: /, "")
    .replace(/(?:\/tmp\/|127\.|172\.)[^\s"]+/g, "…")
    .slice(0, 160);
}
