import type { HostLoad } from "@plimsoll/contracts";
import type { BuildEvent, Image, Kind, ProcessSpec, QuotaVector, Resource, Spec, Status } from "@plimsoll/core";

/** Objects as the API would give them. Times are relative to now: a test reads as "12 minutes ago". */
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const MIB = 1024 ** 2;
export const GIB = 1024 ** 3;

export function ago(ms: number): string {
  return new Date(Date.now() - ms).toISOString();
}

export const TEAM_UID = "tem_acme";
export const NAMESPACE_UID = "nsp_store";

interface Place {
  readonly team: string;
  readonly teamUid: string;
  readonly namespace: string;
  readonly namespaceUid: string;
}
export const STORE: Place = { team: "acme", teamUid: TEAM_UID, namespace: "store", namespaceUid: NAMESPACE_UID };

let serial = 0;

/** An object of a kind in a place; its version is given by the server that it is put into. */
export function object<K extends Kind>(
  kind: K,
  name: string,
  place: Partial<Place>,
  spec: Spec<K>,
  status: Status<K>,
  createdAt = ago(HOUR),
): Resource<K> {
  return {
    metadata: {
      uid: kind === "Team" ? TEAM_UID : kind === "Namespace" && name === "store" ? NAMESPACE_UID : `${kind.toLowerCase()}_${++serial}`,
      kind,
      name,
      ...place,
      labels: {},
      generation: 1,
      version: 0,
      createdAt,
      finalizers: [],
    },
    spec,
    status,
  } as Resource<K>;
}

export const IMAGE: Image = {
  digest: `sha256:${"9a41".repeat(16)}`,
  config: {
    architecture: "amd64",
    os: "linux",
    env: [],
    entrypoint: [],
    cmd: ["node", "server.js"],
    user: "",
    workingDir: "/app",
    exposedPorts: ["8080/tcp"],
    labels: {},
  },
  layers: [{ digest: `sha256:${"b".repeat(64)}`, sizeBytes: 61 * MIB }],
};
export const LIMITS = { cpuMillis: 2_000, memoryBytes: GIB, pids: 512, timeoutMs: 900_000, logBytes: 8 * MIB };
export const WEB: ProcessSpec = {
  replicas: 2,
  cpuMillis: 500,
  memoryBytes: 256 * MIB,
  port: 8080,
  readiness: { kind: "tcp", timeoutMs: 60_000 },
  stopGraceMs: 10_000,
};

export function team(quota: QuotaVector, given: QuotaVector): Resource<"Team"> {
  return object("Team", "acme", { team: "acme", teamUid: TEAM_UID }, { displayName: "Acme", quota }, { used: given, given });
}

export function namespace(name: string, quota: QuotaVector, used: QuotaVector): Resource<"Namespace"> {
  return object(
    "Namespace",
    name,
    { team: "acme", teamUid: TEAM_UID, namespace: name, namespaceUid: name === "store" ? NAMESPACE_UID : `nsp_${name}` },
    { displayName: "", quota, build: LIMITS },
    { vni: 5, uidBase: 200_000, used },
  );
}

export function app(name: string, status: Partial<Status<"App">> = {}, spec: Partial<Spec<"App">> = {}): Resource<"App"> {
  return object(
    "App",
    name,
    STORE,
    { source: { kind: "git" }, processes: { web: WEB }, env: {}, secrets: {}, ...spec },
    {
      observedGeneration: 1,
      phase: "live",
      release: 14,
      urls: [`https://${name}-store.example.app`],
      processes: { web: { desired: 2, ready: 2 } },
      ...status,
    },
  );
}

export function build(
  appName: string,
  number: number,
  status: Partial<Status<"Build">>,
  subject = "Free shipping above 50",
  createdAt = ago(13 * MINUTE),
): Resource<"Build"> {
  return object(
    "Build",
    `${appName}-b${number}`,
    STORE,
    {
      app: appName,
      number,
      source: {
        kind: "git",
        commit: `${"4f2c1d9ab03e".repeat(4).slice(number % 9, 36)}0000`.padEnd(40, "0").slice(0, 40),
        ref: "refs/heads/main",
        subject,
        author: "Ana",
      },
      limits: LIMITS,
      requestedBy: "ana@acme.example",
      cancelled: false,
    },
    {
      phase: "succeeded",
      attempt: 1,
      host: "host-a",
      startedAt: createdAt,
      finishedAt: new Date(Date.parse(createdAt) + 2_100).toISOString(),
      ...status,
    },
    createdAt,
  );
}

export function release(
  appName: string,
  number: number,
  from: Resource<"Build"> | undefined,
  changed: string[] = ["image"],
  createdAt = ago(12.9 * MINUTE),
): Resource<"Release"> {
  return object(
    "Release",
    `${appName}-v${number}`,
    STORE,
    {
      app: appName,
      number,
      image: IMAGE,
      builtOn: "host-a",
      env: {},
      secrets: {},
      processes: {},
      ...(from ? { buildUid: from.metadata.uid, source: from.spec.source } : {}),
      changed,
      createdBy: "ana@acme.example",
    },
    {},
    createdAt,
  );
}

export function deployment(
  appName: string,
  number: number,
  releaseNumber: number,
  status: Partial<Status<"Deployment">>,
  spec: Partial<Spec<"Deployment">> = {},
  createdAt = ago(12.9 * MINUTE),
): Resource<"Deployment"> {
  return object(
    "Deployment",
    `${appName}-d${number}`,
    STORE,
    { app: appName, number, release: releaseNumber, reason: "push", createdBy: "ana@acme.example", ...spec },
    {
      phase: "complete",
      startedAt: createdAt,
      readyAt: new Date(Date.parse(createdAt) + 1_500).toISOString(),
      finishedAt: new Date(Date.parse(createdAt) + 4_100).toISOString(),
      previousRelease: releaseNumber - 1,
      requests: { total: 1204, failed: 0 },
      ...status,
    },
    createdAt,
  );
}

export function instance(
  appName: string,
  process: string,
  ordinal: number,
  releaseNumber: number,
  status: Partial<Status<"Instance">> = {},
  host = ordinal % 2 ? "host-a" : "host-b",
): Resource<"Instance"> {
  const createdAt = ago(12 * MINUTE);
  return object(
    "Instance",
    `${appName}-${process}-${releaseNumber}-${(serial + 7).toString(36)}x${ordinal}`,
    STORE,
    {
      app: appName,
      process,
      release: releaseNumber,
      ordinal,
      host,
      hostUid: `hst_${host}`,
      cpuMillis: 500,
      memoryBytes: 256 * MIB,
      port: 8080,
      desired: "running",
    },
    {
      phase: "ready",
      address: `10.128.4.${10 + ordinal}`,
      startedAt: createdAt,
      readyAt: new Date(Date.parse(createdAt) + 400).toISOString(),
      restarts: 0,
      ...status,
    },
    createdAt,
  );
}

export function host(name: string, spec: Partial<Spec<"Host">> = {}, status: Partial<Status<"Host">> = {}): Resource<"Host"> {
  return object(
    "Host",
    name,
    {},
    {
      index: 0,
      roles: ["build", "run"],
      schedulable: true,
      underlay: "10.0.0.1",
      publicKey: "",
      capacity: { cpuMillis: 4_000, memoryBytes: 16 * GIB },
      ...spec,
    },
    { phase: "ready", facts: { os: "Debian GNU/Linux 12 (bookworm)", kernel: "6.1.0-40-amd64", pressure: "measured" }, ...status },
  );
}

/** What a host has: two namespaces' instances, and a build. */
export function hostLoad(name: string, told: Partial<HostLoad> = {}): HostLoad {
  return {
    host: name,
    heardAt: ago(2_000),
    instances: 5,
    builds: 1,
    cpuMillis: 2_500,
    memoryBytes: 6 * GIB,
    pressure: { cpuSome: 12.4, memorySome: 0, memoryFull: 0, ioSome: 3, ioFull: 1 },
    namespaces: [
      { namespace: "acme/store", instances: 3, builds: 1, cpuMillis: 1_500, memoryBytes: 4 * GIB },
      { namespace: "globex/web", instances: 2, builds: 0, cpuMillis: 1_000, memoryBytes: 2 * GIB },
    ],
    ...told,
  };
}

/** What a host has when it has nothing. */
export const IDLE = { instances: 0, builds: 0, cpuMillis: 0, memoryBytes: 0, namespaces: [] } satisfies Partial<HostLoad>;

export function event(
  about: Resource,
  reason: string,
  message: string,
  options: { readonly at?: string; readonly type?: "normal" | "warning"; readonly count?: number } = {},
): Resource<"Event"> {
  const { kind, uid, name } = about.metadata;
  return object(
    "Event",
    `event-${++serial}`,
    STORE,
    {
      regarding: { kind, uid, name },
      type: options.type ?? "normal",
      reason,
      message,
      count: options.count ?? 1,
      lastAt: options.at ?? ago(12 * MINUTE),
    },
    {},
  );
}

/** What a build of a two-stage Dockerfile says. */
export const BUILD_EVENTS: readonly BuildEvent[] = [
  {
    type: "plan",
    atMs: 4,
    dockerfile: "Dockerfile",
    target: "runtime",
    steps: [
      { index: 0, stage: "deps", label: "FROM node:22-slim", line: 1 },
      { index: 1, stage: "deps", label: "RUN npm ci", line: 4 },
      { index: 2, stage: "build", label: "COPY . .", line: 7 },
      { index: 3, stage: "build", label: "RUN npm run build -- --configuration=production --source-map=false", line: 8 },
      { index: 4, stage: "runtime", label: "COPY --from=build /app/dist ./dist", line: 11 },
    ],
  },
  { type: "notice", atMs: 5, text: "substituted node:22-slim with an image made here" },
  { type: "step-done", atMs: 9, step: 0, outcome: "cached", durationMs: 0 },
  { type: "step-done", atMs: 10, step: 1, outcome: "cached", durationMs: 0 },
  { type: "step-started", atMs: 12, step: 2 },
  { type: "step-done", atMs: 110, step: 2, outcome: "done", durationMs: 98 },
  { type: "step-started", atMs: 112, step: 3 },
  { type: "step-log", atMs: 130, step: 3, stream: "stdout", text: "\u001b[36m> shop@1.4.0 build\u001b[0m\n> tsc -p . && vite build\n\n" },
  {
    type: "step-log",
    atMs: 900,
    step: 3,
    stream: "stdout",
    text: "vite v8.0.1 building client environment for production...\ntransforming...\n",
  },
  { type: "step-log", atMs: 1_500, step: 3, stream: "stderr", text: "warning: chunk cart-9f31 is larger than 500 kB after minification\n" },
  {
    type: "step-log",
    atMs: 1_600,
    step: 3,
    stream: "stdout",
    text: "✓ 412 modules transformed.\ndist/index.html   0.46 kB │ gzip: 0.29 kB\ndist/assets/index-4f2c.js   142.11 kB │ gzip: 45.80 kB\n",
  },
];
export const BUILD_END: readonly BuildEvent[] = [
  { type: "step-done", atMs: 2_010, step: 3, outcome: "done", durationMs: 1_898 },
  { type: "step-started", atMs: 2_011, step: 4 },
  { type: "step-done", atMs: 2_050, step: 4, outcome: "done", durationMs: 39 },
  { type: "done", atMs: 2_100, image: IMAGE, sizeBytes: 61 * MIB, newBytes: 400_000 },
];
export const FAILED_END: readonly BuildEvent[] = [
  {
    type: "step-log",
    atMs: 1_700,
    step: 3,
    stream: "stderr",
    text: "src/cart.ts(41,7): error TS2322: Type 'string' is not assignable to type 'number'.\n",
  },
  { type: "step-done", atMs: 1_712, step: 3, outcome: "failed", durationMs: 1_600 },
  {
    type: "failed",
    atMs: 1_720,
    failure: {
      reason: "command",
      message: "RUN npm run build failed with exit code 2 after 1.6 s.",
      file: "Dockerfile",
      line: 8,
      instruction: "RUN npm run build",
      exitCode: 2,
      logTail: ["src/cart.ts(41,7): error TS2322: Type 'string' is not assignable to type 'number'."],
    },
  },
];
