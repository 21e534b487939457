import { type BuildSource, type CommitConfig, type Image, limitsOfBuild, type Resource, type Spec } from "@plimsoll/core";
import type { Tx } from "./transaction.ts";

export interface ReleaseRequest {
  readonly namespace: Resource<"Namespace">;
  /** Locked by the caller: release numbers of an app have no gaps and no twins. */
  readonly app: Resource<"App">;
  readonly image: Image;
  readonly builtOn?: string;
  readonly buildUid?: string;
  readonly source?: BuildSource;
  readonly createdBy: string;
}

/** Freezes image, environment, secret versions and processes into the app's next release. */
export async function createRelease(tx: Tx, request: ReleaseRequest): Promise<Resource<"Release">> {
  const { app, namespace } = request;
  const number = await tx.platform.nextNumber(`release/${app.metadata.uid}`);
  const [previous] = await tx.objects.list("Release", { ownerUid: app.metadata.uid, newestFirst: true, limit: 1 });
  const processes = Object.fromEntries(Object.entries(app.spec.processes).map(([name, { replicas: _, ...fixed }]) => [name, fixed]));
  const next = { image: request.image, env: app.spec.env, secrets: app.spec.secrets, processes };
  return tx.objects.create({
    kind: "Release",
    name: `${app.metadata.name}-v${number}`,
    namespace,
    ownerUid: app.metadata.uid,
    spec: {
      app: app.metadata.name,
      number,
      ...next,
      ...(app.spec.releaseCommand === undefined ? {} : { releaseCommand: app.spec.releaseCommand }),
      ...(request.builtOn === undefined ? {} : { builtOn: request.builtOn }),
      ...(request.buildUid === undefined ? {} : { buildUid: request.buildUid }),
      ...(request.source === undefined ? {} : { source: request.source }),
      changed: [...releaseChanges(previous?.spec, next)],
      createdBy: request.createdBy,
    },
    status: {},
  });
}

export interface DeploymentRequest {
  readonly namespace: Resource<"Namespace">;
  readonly app: Resource<"App">;
  readonly release: Resource<"Release">;
  readonly reason: Spec<"Deployment">["reason"];
  readonly pushId?: string;
  readonly createdBy: string;
  readonly replaces?: Spec<"Deployment">["replaces"];
}

/** Starts the rollout of a release; the app's reconciler is woken when this commits. */
export async function createDeployment(tx: Tx, request: DeploymentRequest): Promise<Resource<"Deployment">> {
  const { app } = request;
  const number = await tx.platform.nextNumber(`deployment/${app.metadata.uid}`);
  tx.wake("app", app.metadata.uid);
  return tx.objects.create({
    kind: "Deployment",
    name: `${app.metadata.name}-d${number}`,
    namespace: request.namespace,
    ownerUid: app.metadata.uid,
    spec: {
      app: app.metadata.name,
      number,
      release: request.release.spec.number,
      reason: request.reason,
      ...(request.pushId === undefined ? {} : { pushId: request.pushId }),
      createdBy: request.createdBy,
      ...(request.replaces === undefined ? {} : { replaces: request.replaces }),
    },
    status: {
      phase: "starting",
      startedAt: new Date().toISOString(),
      ...(app.status.release === undefined ? {} : { previousRelease: app.status.release }),
    },
  });
}

export interface BuildRequest {
  readonly namespace: Resource<"Namespace">;
  readonly app: Resource<"App">;
  readonly source: BuildSource;
  readonly pushId?: string;
  readonly requestedBy: string;
  /** False: an image is all that is wanted. */
  readonly deploy?: boolean;
  /** What the commit says of the app's processes and environment. */
  readonly config?: CommitConfig;
}

function memoryAsked(source: BuildSource): number | undefined {
  return source.kind === "git" ? source.memoryBytes : undefined;
}

/** Asks for a build; the build controller places it when the namespace's build quota and a host have room. */
export async function createBuild(tx: Tx, request: BuildRequest): Promise<Resource<"Build">> {
  const { app, namespace } = request;
  const number = await tx.platform.nextNumber(`build/${app.metadata.uid}`);
  const build = await tx.objects.create({
    kind: "Build",
    name: `${app.metadata.name}-b${number}`,
    namespace,
    ownerUid: app.metadata.uid,
    spec: {
      app: app.metadata.name,
      number,
      source: request.source,
      limits: limitsOfBuild(namespace.spec, memoryAsked(request.source), `${namespace.metadata.team}/${namespace.metadata.name}`),
      ...(request.pushId === undefined ? {} : { pushId: request.pushId }),
      requestedBy: request.requestedBy,
      ...(request.deploy === undefined ? {} : { deploy: request.deploy }),
      ...(request.config === undefined ? {} : { config: request.config }),
      cancelled: false,
    },
    status: { phase: "pending", attempt: 0 },
  });
  tx.wake("build", build.metadata.uid);
  return build;
}

type Frozen = Pick<Spec<"Release">, "image" | "env" | "secrets" | "processes">;

/** What differs between two releases, as people read it: `image`, `env PRICE_TABLE`, `secret DB_URL`, `process web`. */
export function releaseChanges(before: Frozen | undefined, after: Frozen): readonly string[] {
  if (before === undefined) return ["first release"];
  return [
    ...(before.image.digest === after.image.digest ? [] : ["image"]),
    ...changedKeys(before.env, after.env).map((name) => `env ${name}`),
    ...changedKeys(before.secrets, after.secrets).map((name) => `secret ${name}`),
    ...changedKeys(before.processes, after.processes).map((name) => `process ${name}`),
  ];
}

function changedKeys(before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>): readonly string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
    .sort();
}
