import type { ImageConfig } from "@plimsoll/core";
import { BuildHost, LIMITS, NAMESPACE } from "../../packages/builder/src/testing/build-host.ts";
import { BASES, DERIVED } from "./bases.ts";
import type { Case, Config, Outcome } from "./case.ts";
import { argsOf, commitContext, SERVER } from "./context.ts";
import { compact } from "./oracle.ts";
import { relativeTo, snapshotOf, type Tree } from "./snapshot.ts";
import { NETWORK_PORT, serveFiles, type WebServer } from "./web-server.ts";

/** What our builder made of a case. A refusal is an error whose reason is that the feature is not supported. */
export type Ours =
  | { readonly kind: "image"; readonly outcome: Outcome }
  | { readonly kind: "refused" | "error"; readonly message: string; readonly file?: string; readonly line?: number };

/** Our builder on a host of its own, with the real sandbox. */
export class OurBuilder implements AsyncDisposable {
  private readonly host: BuildHost;
  /** By build: of the cases that fetch something, each in its build's own network. */
  private readonly servers = new Map<string, WebServer | undefined>();
  private readonly base: Tree;
  private sequence = 0;

  private constructor(host: BuildHost, base: Tree) {
    this.host = host;
    this.base = base;
    host.onNetwork = (path) => this.serve(path);
  }

  /** Only the derived bases that these cases name are built. */
  static async open(cases: readonly Case[]): Promise<OurBuilder> {
    const host = await BuildHost.open();
    for (const { name, env, cmd, labels, fill } of BASES) await host.addBase(name, fill, { env, cmd, labels });
    const base = host.bases.get("base");
    if (base === undefined) throw new Error("there is no base");
    host.bases.set("base:latest", base);
    const ours = new OurBuilder(host, snapshotOf(base.layers.map(({ digest }) => host.layers.dirOf(digest))));
    for (const [name, dockerfile] of Object.entries(DERIVED))
      if (cases.some((one) => one.dockerfile.includes(name))) await ours.derive(name, dockerfile);
    return ours;
  }

  async build(one: Case): Promise<Ours> {
    const outcome = await this.run(one);
    if (outcome.kind === "failure") {
      const { reason, message, file, line } = outcome.failure;
      const isMissingBase = reason === "base_image" && Object.keys(DERIVED).some((name) => message.includes(name));
      const place = { ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) };
      const kind = reason === "unsupported" || isMissingBase ? "refused" : "error";
      const cause = outcome.cause instanceof Error ? ` (${outcome.cause.message})` : "";
      return { kind, message: `${reason}: ${message}${cause}`, ...place };
    }
    const { layers, config } = outcome.image;
    const tree = snapshotOf(layers.map(({ digest }) => this.host.layers.dirOf(digest)));
    return { kind: "image", outcome: { tree: relativeTo(this.base, tree), config: configOf(config) } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host[Symbol.asyncDispose]();
  }

  private async derive(name: string, dockerfile: string): Promise<void> {
    const outcome = await this.run({ name, features: [], dockerfile });
    if (outcome.kind === "image") this.host.bases.set(name, outcome.image);
    else if (outcome.failure.reason !== "unsupported")
      throw new Error(`${name} cannot be built: ${outcome.failure.message}`, { cause: outcome.cause });
  }

  private async run(one: Case) {
    const id = `case-${this.sequence++}`;
    const commit = await commitContext(this.host.repository, id, one);
    const request = {
      id,
      namespace: NAMESPACE,
      repository: this.host.repository,
      commit,
      limits: LIMITS,
      buildArgs: argsOf(one, `http://127.0.0.1:${NETWORK_PORT}`),
      ...(one.path === undefined ? {} : { dockerfile: one.path }),
      ...(one.target === undefined ? {} : { target: one.target }),
      ...(one.secrets === undefined ? {} : { secrets: one.secrets }),
    };
    if (Object.values(one.args ?? {}).some((value) => value.includes(SERVER))) this.servers.set(id, undefined);
    try {
      return await this.host.builder.build(request, { onEvent: () => undefined, signal: new AbortController().signal });
    } finally {
      await this.servers.get(id)?.close();
      this.servers.delete(id);
    }
  }

  private async serve(network: string): Promise<void> {
    const id = [...this.servers.keys()].find((build) => network.endsWith(`b-${build}`));
    if (id !== undefined) this.servers.set(id, await serveFiles({ host: "127.0.0.1", network }));
  }
}

function configOf(config: ImageConfig): Config {
  const health = config.healthcheck;
  const ms = (nanoseconds: number | undefined) => (nanoseconds === undefined ? undefined : nanoseconds / 1e6);
  return compact({
    env: config.env,
    cmd: config.cmd,
    entrypoint: config.entrypoint,
    user: config.user,
    workdir: config.workingDir,
    ports: config.exposedPorts,
    volumes: config.volumes ?? [],
    labels: config.labels,
    stopSignal: config.stopSignal ?? "",
    shell: config.shell ?? [],
    onbuild: config.onBuild ?? [],
    author: config.author ?? "",
    ...(health === undefined
      ? {}
      : {
          healthcheck: compact({
            test: health.test,
            intervalMs: ms(health.intervalNs),
            timeoutMs: ms(health.timeoutNs),
            startPeriodMs: ms(health.startPeriodNs),
            startIntervalMs: ms(health.startIntervalNs),
            retries: health.retries || undefined,
          }),
        }),
  });
}
