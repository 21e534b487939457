import { z } from "zod";
import { CommitConfig } from "./app-file/commit-config.ts";
import type { BuildFailure, BuildLimits } from "./build.ts";
import { NAME_PATTERN } from "./ids.ts";
import { type Digest, type Image, isDigest } from "./image.ts";
import { BUILD_PHASES, DEPLOYMENT_PHASES, INSTANCE_PHASES } from "./phases.ts";
import { QuotaVector } from "./quota.ts";

/** The kinds of objects. Each lives in one scope: the platform, a team or a namespace. */
export const KINDS = ["Team", "Host", "Namespace", "App", "Build", "Release", "Deployment", "Instance", "Route", "Event"] as const;
export const Kind = z.enum(KINDS);
export type Kind = (typeof KINDS)[number];

export type ScopeLevel = "platform" | "team" | "namespace";

/** Where objects of a kind live: their name is unique there, and their versions come from its counter. */
export function scopeLevel(kind: Kind): ScopeLevel {
  switch (kind) {
    case "Team":
    case "Host":
      return "platform";
    case "Namespace":
      return "team";
    default:
      return "namespace";
  }
}

/** The uid of the scope that holds teams and hosts. */
export const PLATFORM_SCOPE = "platform";

export const ObjectName = z.string().regex(NAME_PATTERN, "must be 1 to 40 of a-z, 0-9 and -, start with a letter and not end with -");
export const Labels = z.record(
  z.string().regex(/^[a-z0-9A-Z]([-a-z0-9A-Z_./]{0,61}[a-z0-9A-Z])?$/, "must be a label name of at most 63 characters"),
  z
    .string()
    .max(63)
    .regex(/^[-a-z0-9A-Z_.]*$/, "must be at most 63 of letters, digits, '-', '_', '.'"),
);
/** Environment names as POSIX has them. */
export const EnvName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "must be letters, digits and _, not starting with a digit");

export const Metadata = z.object({
  uid: z.string(),
  kind: Kind,
  name: z.string(),
  /** Name of the team, absent for platform objects; for a Team it is its own name. */
  team: z.string().optional(),
  teamUid: z.string().optional(),
  /** Name of the namespace, absent above it; for a Namespace its own name. */
  namespace: z.string().optional(),
  namespaceUid: z.string().optional(),
  /** The App that a Build, Release, Deployment, Instance or Route belongs to. */
  ownerUid: z.string().optional(),
  labels: Labels,
  /** Counts changes of spec. */
  generation: z.int(),
  /** Position in its scope's order of changes; a watch resumes from it. */
  version: z.int(),
  createdAt: z.iso.datetime(),
  deletedAt: z.iso.datetime().optional(),
  finalizers: z.array(z.string()),
});
export type Metadata = z.infer<typeof Metadata>;

export const DigestSchema = z.custom<Digest>((value) => typeof value === "string" && isDigest(value), "must be sha256: and 64 hex digits");
const digest = DigestSchema;

const HealthcheckSchema = z.object({
  test: z.array(z.string()),
  intervalNs: z.number().optional(),
  timeoutNs: z.number().optional(),
  startPeriodNs: z.number().optional(),
  startIntervalNs: z.number().optional(),
  retries: z.int().optional(),
});
export const ImageConfigSchema = z.object({
  architecture: z.enum(["amd64", "arm64"]),
  os: z.literal("linux"),
  env: z.array(z.string()),
  entrypoint: z.array(z.string()),
  cmd: z.array(z.string()),
  user: z.string(),
  workingDir: z.string(),
  exposedPorts: z.array(z.string()),
  labels: z.record(z.string(), z.string()),
  stopSignal: z.string().optional(),
  volumes: z.array(z.string()).optional(),
  healthcheck: HealthcheckSchema.optional(),
  shell: z.array(z.string()).optional(),
  onBuild: z.array(z.string()).optional(),
  author: z.string().optional(),
  history: z.array(z.object({ createdBy: z.string(), emptyLayer: z.literal(true).optional() })).optional(),
});
export const ImageSchema: z.ZodType<Image> = z.object({
  digest,
  config: ImageConfigSchema,
  layers: z.array(z.object({ digest, sizeBytes: z.int().min(0) })),
});

export const BuildLimitsSchema: z.ZodType<BuildLimits> = z.object({
  cpuMillis: z.int().min(1),
  memoryBytes: z.int().min(1),
  pids: z.int().min(1),
  timeoutMs: z.int().min(1),
  logBytes: z.int().min(1),
  diskBytes: z.int().min(1).optional(),
  diskFiles: z.int().min(1).optional(),
  mostMemoryBytes: z.int().min(1).optional(),
});

export const BuildFailureSchema: z.ZodType<BuildFailure> = z.object({
  reason: z.enum([
    "dockerfile",
    "unsupported",
    "context",
    "base_image",
    "command",
    "out_of_memory",
    "out_of_disk",
    "timeout",
    "cancelled",
    "interrupted",
    "quota_exceeded",
    "internal",
  ]),
  message: z.string(),
  file: z.string().optional(),
  line: z.int().optional(),
  instruction: z.string().optional(),
  exitCode: z.int().optional(),
  excerpt: z.array(z.object({ line: z.int(), text: z.string(), marked: z.boolean().optional() })).optional(),
  logTail: z.array(z.string()).optional(),
});

export const Readiness = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("http"), path: z.string().startsWith("/").max(512), timeoutMs: z.int().min(100).max(600_000) }),
  z.object({ kind: z.literal("tcp"), timeoutMs: z.int().min(100).max(600_000) }),
  /** Ready as soon as it runs: for processes without a port. */
  z.object({ kind: z.literal("none") }),
]);
export type Readiness = z.infer<typeof Readiness>;

export const ProcessSpec = z.object({
  /** Replaces the image's CMD; absent: the image's own. */
  command: z.array(z.string().max(4096)).min(1).max(64).optional(),
  replicas: z.int().min(0).max(100),
  cpuMillis: z.int().min(10).max(64_000),
  memoryBytes: z
    .int()
    .min(8 * 1024 * 1024)
    .max(1024 ** 4),
  /** Where it listens, told to it as PORT; absent: it serves nothing. */
  port: z.int().min(1).max(65_535).optional(),
  readiness: Readiness,
  /** From the stop signal to the kill. */
  stopGraceMs: z.int().min(0).max(600_000),
});
export type ProcessSpec = z.infer<typeof ProcessSpec>;

/** Processes and threads that an instance may have at once, whatever its size. */
export const INSTANCE_PIDS = 1_024;

/** What a process gets when nobody says otherwise: one instance of the image's own command on port 8080. */
export const DEFAULT_WEB_PROCESS: ProcessSpec = {
  replicas: 1,
  cpuMillis: 250,
  memoryBytes: 256 * 1024 * 1024,
  port: 8080,
  readiness: { kind: "tcp", timeoutMs: 60_000 },
  stopGraceMs: 10_000,
};

/** A process other than `web` serves nothing unless it says so. */
export const DEFAULT_OTHER_PROCESS: ProcessSpec = {
  replicas: DEFAULT_WEB_PROCESS.replicas,
  cpuMillis: DEFAULT_WEB_PROCESS.cpuMillis,
  memoryBytes: DEFAULT_WEB_PROCESS.memoryBytes,
  readiness: { kind: "none" },
  stopGraceMs: DEFAULT_WEB_PROCESS.stopGraceMs,
};

/** What runs once in an instance of each new release, before anything of it serves: its end decides whether the release goes on. */
export const ReleaseCommand = z.object({
  command: z.array(z.string().max(4096)).min(1).max(64),
  timeoutMs: z.int().min(1_000).max(3_600_000),
});
export type ReleaseCommand = z.infer<typeof ReleaseCommand>;

const EnvValues = z.record(EnvName, z.string().max(32_768));

export const TeamSpec = z.object({ displayName: z.string().max(100), quota: QuotaVector });
export const TeamStatus = z.object({ used: QuotaVector, given: QuotaVector });

export const NamespaceSpec = z.object({
  displayName: z.string().max(100),
  quota: QuotaVector,
  build: BuildLimitsSchema,
});
export const NamespaceStatus = z.object({
  /** Its VXLAN network identifier and user-id range: fixed for its life, unique on the platform. */
  vni: z.int(),
  uidBase: z.int(),
  used: QuotaVector,
});

/** A directory of a repository: relative, without `..`. */
export const RepositoryPath = z
  .string()
  .max(512)
  .regex(/^(?!\/)(?!(?:.*\/)?\.\.?(?:\/|$))[^\0]+$/, "must be a path in the repository, without a leading / and without .. in it");

export const AppSpec = z.object({
  source: z.discriminatedUnion("kind", [
    z.object({
      kind: z.literal("git"),
      /** Of the repository, where the app file is read and what is built; absent: its root. */
      directory: RepositoryPath.optional(),
      dockerfile: z.string().max(512).optional(),
      target: z.string().max(128).optional(),
    }),
    z.object({ kind: z.literal("image"), reference: z.string().max(512) }),
  ]),
  processes: z.record(ObjectName, ProcessSpec),
  env: EnvValues,
  /** As the live commit says. */
  releaseCommand: ReleaseCommand.optional(),
  /** What the live commit's own description has set: names that go when a later commit does not set them. */
  appFile: z.object({ path: z.string(), env: z.array(EnvName) }).optional(),
  /** Names of sealed secrets and the version a new release takes; values are written through the secrets route only. */
  secrets: z.record(EnvName, z.int()),
});
export const AppStatus = z.object({
  observedGeneration: z.int(),
  /** `empty`: never released; `sleeping`: live with no instance asked for. */
  phase: z.enum(["empty", "deploying", "live", "degraded", "sleeping", "failing"]),
  /** Number of the release that serves. */
  release: z.int().optional(),
  urls: z.array(z.string()),
  processes: z.record(z.string(), z.object({ desired: z.int(), ready: z.int() })),
  message: z.string().optional(),
});

export const GitSource = z.object({
  kind: z.literal("git"),
  commit: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/),
  ref: z.string(),
  subject: z.string(),
  author: z.string(),
  /** The context, in the repository; absent: its root. */
  directory: z.string().optional(),
  dockerfile: z.string().optional(),
  target: z.string().optional(),
  /** What the commit says its build needs; absent: what the namespace gives builds. */
  memoryBytes: z.int().min(1).optional(),
  /** Values of ARG instructions. */
  args: z.record(z.string(), z.string()).optional(),
  /** Named build contexts: a directory of the repository, or `docker-image://` and a reference. */
  contexts: z.record(z.string(), z.string()).optional(),
  /** Every step is executed, whatever is known of it; what it comes to is known afterwards. */
  noCache: z.boolean().optional(),
});
export const ImageSource = z.object({
  kind: z.literal("image"),
  reference: z.string(),
  /** What the reference stood for in its registry when it was pulled; absent before, and of a stand-in. */
  digest: DigestSchema.optional(),
});
export const BuildSource = z.discriminatedUnion("kind", [GitSource, ImageSource]);
export type BuildSource = z.infer<typeof BuildSource>;

export const BuildSpec = z.object({
  app: z.string(),
  number: z.int(),
  source: BuildSource,
  limits: BuildLimitsSchema,
  /** The push that asked for it. */
  pushId: z.string().optional(),
  /** Who asked, for people. */
  requestedBy: z.string(),
  /** False: it is to make an image and nothing else; no release comes of it, and it supersedes nothing. */
  deploy: z.boolean().optional(),
  /** What its commit says of processes and environment: part of the app from its release on. */
  config: CommitConfig.optional(),
  /** Set by whoever wants it stopped; the build controller and the agent obey. */
  cancelled: z.boolean(),
});
export const BuildStatus = z.object({
  phase: z.enum(BUILD_PHASES),
  attempt: z.int(),
  /** Since when pressure on the hosts holds it back. */
  heldSince: z.iso.datetime().optional(),
  host: z.string().optional(),
  hostUid: z.string().optional(),
  message: z.string().optional(),
  startedAt: z.iso.datetime().optional(),
  finishedAt: z.iso.datetime().optional(),
  image: ImageSchema.optional(),
  newBytes: z.int().optional(),
  /** Of an image from a registry: the digest of what its reference stood for there. */
  sourceDigest: DigestSchema.optional(),
  failure: BuildFailureSchema.optional(),
  /** Number of the release made of it. */
  release: z.int().optional(),
});

export const ReleaseSpec = z.object({
  app: z.string(),
  number: z.int(),
  image: ImageSchema,
  /** Host that has the layers already. */
  builtOn: z.string().optional(),
  env: EnvValues,
  secrets: z.record(EnvName, z.int()),
  processes: z.record(ObjectName, ProcessSpec.omit({ replicas: true })),
  releaseCommand: ReleaseCommand.optional(),
  buildUid: z.string().optional(),
  source: BuildSource.optional(),
  /** What differs from the release before: `image`, `env PRICE_TABLE`, `secret DB_URL`, `process web`. */
  changed: z.array(z.string()),
  createdBy: z.string(),
});
/** What a release's image is in the registry, once somebody has asked for it there. */
export const RegistryImageSchema = z.object({
  /** Of its manifest. */
  manifest: digest,
  /** Of each layer, in order: its own digest, that of its unpacked archive, and what the registry keeps. */
  layers: z.array(z.object({ layer: digest, diffId: digest, blob: digest, sizeBytes: z.int() })),
});
export type RegistryImage = z.infer<typeof RegistryImageSchema>;
export const ReleaseStatus = z.object({
  registry: RegistryImageSchema.optional(),
  /** When its command ended well: it is not run again, also where the release is rolled out again. */
  commandRanAt: z.iso.datetime().optional(),
});

export const DeploymentSpec = z.object({
  app: z.string(),
  number: z.int(),
  release: z.int(),
  reason: z.enum(["push", "image", "config", "rollback"]),
  pushId: z.string().optional(),
  createdBy: z.string(),
  /** What the app was before this release's commit described it anew: it is that again when the rollout fails. */
  replaces: z
    .object({
      generation: z.int(),
      processes: AppSpec.shape.processes,
      env: AppSpec.shape.env,
      appFile: AppSpec.shape.appFile,
      releaseCommand: AppSpec.shape.releaseCommand,
    })
    .optional(),
});
export const DeploymentStatus = z.object({
  phase: z.enum(DEPLOYMENT_PHASES),
  message: z.string().optional(),
  startedAt: z.iso.datetime().optional(),
  readyAt: z.iso.datetime().optional(),
  finishedAt: z.iso.datetime().optional(),
  /** The release that served before, and stays when this fails. */
  previousRelease: z.int().optional(),
  /** The release's command, once it is to be run. */
  command: z
    .object({
      state: z.enum(["waiting", "running", "succeeded", "failed"]),
      /** Of at most two: a second where the host was lost with the first. */
      attempt: z.int(),
      startedAt: z.iso.datetime().optional(),
      finishedAt: z.iso.datetime().optional(),
      /** Its last lines. */
      output: z.array(z.string()),
    })
    .optional(),
  /** One line per instance that never got ready, and the last lines of its log. */
  failure: z.object({ instance: z.string(), reason: z.string(), logTail: z.array(z.string()), hint: z.string().optional() }).optional(),
  /** Requests that the ingress counted while it was under way. */
  requests: z.object({ total: z.int(), failed: z.int() }).optional(),
});

export const InstanceSpec = z.object({
  app: z.string(),
  process: z.string(),
  release: z.int(),
  /** 1, 2, …: `web-1` for people. */
  ordinal: z.int(),
  host: z.string(),
  hostUid: z.string(),
  cpuMillis: z.int(),
  memoryBytes: z.int(),
  port: z.int().optional(),
  /** It runs the release's command, once, and serves nothing. */
  task: z.literal(true).optional(),
  /** `draining`: alive, out of every router; `stopped`: to be stopped and removed. */
  desired: z.enum(["running", "draining", "stopped"]),
});
export const InstanceExit = z.object({
  code: z.int(),
  signal: z.string().optional(),
  outOfMemory: z.boolean(),
  /** Starts of processes and threads that were refused to it at its limit; absent: none. */
  startsRefused: z.int().optional(),
  at: z.iso.datetime(),
});
export const InstanceStatus = z.object({
  phase: z.enum(INSTANCE_PHASES),
  message: z.string().optional(),
  address: z.string().optional(),
  startedAt: z.iso.datetime().optional(),
  readyAt: z.iso.datetime().optional(),
  restarts: z.int(),
  lastExit: InstanceExit.optional(),
  /** As in lastExit, of the run that goes on; it is told at the first and then once a minute. */
  startsRefused: z.int().optional(),
  logTail: z.array(z.string()).optional(),
  /** The routing version that every live router must have acknowledged before the stop signal. */
  drainVersion: z.int().optional(),
});

export const HostSpec = z.object({
  /** Fixes its address range: the index-th /20 of the platform network. */
  index: z.int(),
  roles: z.array(z.enum(["build", "run", "ingress"])),
  schedulable: z.boolean(),
  /** Address that other hosts reach it at. */
  underlay: z.string(),
  /** X25519 public key (base64) that secrets for this host are sealed to. */
  publicKey: z.string(),
  capacity: z.object({ cpuMillis: z.int(), memoryBytes: z.int() }),
});
export const HostStatus = z.object({
  phase: z.enum(["ready", "unreachable"]),
  message: z.string().optional(),
  facts: z.record(z.string(), z.string()),
});

export const RouteSpec = z.object({ host: z.string(), app: z.string(), process: z.string() });
export const RouteStatus = z.object({});

export const EventSpec = z.object({
  regarding: z.object({ kind: Kind, uid: z.string(), name: z.string() }),
  type: z.enum(["normal", "warning"]),
  reason: z.string(),
  message: z.string(),
  count: z.int(),
  lastAt: z.iso.datetime(),
});
export const EventStatus = z.object({});

/** Schemas of every kind: the one place where spec and status are defined. */
export const RESOURCES = {
  Team: { spec: TeamSpec, status: TeamStatus },
  Host: { spec: HostSpec, status: HostStatus },
  Namespace: { spec: NamespaceSpec, status: NamespaceStatus },
  App: { spec: AppSpec, status: AppStatus },
  Build: { spec: BuildSpec, status: BuildStatus },
  Release: { spec: ReleaseSpec, status: ReleaseStatus },
  Deployment: { spec: DeploymentSpec, status: DeploymentStatus },
  Instance: { spec: InstanceSpec, status: InstanceStatus },
  Route: { spec: RouteSpec, status: RouteStatus },
  Event: { spec: EventSpec, status: EventStatus },
} as const satisfies Record<Kind, { spec: z.ZodType; status: z.ZodType }>;

export type Spec<K extends Kind> = z.infer<(typeof RESOURCES)[K]["spec"]>;
export type Status<K extends Kind> = z.infer<(typeof RESOURCES)[K]["status"]>;

/** An object as the API, the watch and the repositories give it. */
export interface Resource<K extends Kind = Kind> {
  readonly metadata: Metadata & { readonly kind: K };
  readonly spec: Spec<K>;
  readonly status: Status<K>;
}
