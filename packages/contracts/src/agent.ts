import {
  type BuildEvent,
  BuildFailureSchema,
  BuildLimitsSchema,
  BuildSource,
  DigestSchema,
  ImageSchema,
  INSTANCE_PHASES,
  InstanceExit,
  QuotaVector,
  Readiness,
} from "@plimsoll/core";
import { z } from "zod";

/**
 * The boundary between server and agent: HTTP under /api/agent/v1, JSON, authenticated by the host's own credential. The agent
 * reads one document, its desired state, and reports what is. Both sides ignore fields that they do not know.
 */
export const AGENT_API_VERSION = 1;

export const HOST_ROLES = ["build", "run", "ingress"] as const;
const HostRoles = z.array(z.enum(HOST_ROLES));

export const EnrollRequest = z.object({
  token: z.string(),
  name: z.string(),
  underlay: z.string(),
  publicKey: z.string(),
  /** Of what its enrolment token grants, what it wants to be; absent: all of it. More is refused. */
  roles: HostRoles.optional(),
  capacity: z.object({ cpuMillis: z.int(), memoryBytes: z.int() }),
  facts: z.record(z.string(), z.string()),
});
export type EnrollRequest = z.infer<typeof EnrollRequest>;

/** What a host says of itself at every start: settings change without a new enrolment. */
export const HostUpdate = EnrollRequest.pick({ underlay: true, roles: true, capacity: true, facts: true });
export type HostUpdate = z.infer<typeof HostUpdate>;

export const EnrollResponse = z.object({
  hostUid: z.string(),
  credential: z.string(),
  /** The agent's own queue: its prefix and a Redis user confined to it; absent where wake-ups are not offered. */
  queue: z.object({ url: z.string(), prefix: z.string() }).optional(),
});
export type EnrollResponse = z.infer<typeof EnrollResponse>;

export const InstanceAssignment = z.object({
  uid: z.string(),
  name: z.string(),
  namespaceUid: z.string(),
  app: z.string(),
  process: z.string(),
  ordinal: z.int(),
  release: z.int(),
  image: ImageSchema,
  command: z.array(z.string()).optional(),
  /** Environment that is no secret. */
  env: z.record(z.string(), z.string()),
  /** Secret environment as JSON, sealed to the host's key (see sealed-box); absent when there is none. */
  sealedEnv: z.string().optional(),
  cpuMillis: z.int(),
  memoryBytes: z.int(),
  port: z.int().optional(),
  readiness: Readiness,
  stopGraceMs: z.int(),
  /** It runs once and is not started again, whatever becomes of it; `started`: it was heard to have begun. */
  task: z.object({ started: z.boolean() }).optional(),
  desired: z.enum(["running", "draining", "stopped"]),
});
export type InstanceAssignment = z.infer<typeof InstanceAssignment>;

export const BuildAssignment = z.object({
  uid: z.string(),
  namespaceUid: z.string(),
  appUid: z.string(),
  /** `<team>/<namespace>/<app>`: the path of the repository below the API's /git/. */
  repository: z.string(),
  source: BuildSource,
  limits: BuildLimitsSchema,
  attempt: z.int(),
  cancelled: z.boolean(),
});
export type BuildAssignment = z.infer<typeof BuildAssignment>;

export const NamespaceAssignment = z.object({
  uid: z.string(),
  name: z.string(),
  team: z.string(),
  vni: z.int(),
  uidBase: z.int(),
  quota: QuotaVector,
});
export type NamespaceAssignment = z.infer<typeof NamespaceAssignment>;

export const PeerHost = z.object({ uid: z.string(), name: z.string(), index: z.int(), underlay: z.string() });
export type PeerHost = z.infer<typeof PeerHost>;

/** What ingress hosts route. `version` only grows; a document with version v holds every routing change up to v. */
export const Routing = z.object({
  version: z.int(),
  routes: z.array(z.object({ host: z.string(), backendId: z.string() })),
  backends: z.array(
    z.object({
      id: z.string(),
      state: z.enum(["ready", "deploying", "empty"]),
      endpoints: z.array(z.object({ id: z.string(), address: z.string(), port: z.int(), state: z.enum(["ready", "draining"]) })),
    }),
  ),
});
export type Routing = z.infer<typeof Routing>;

/** Something that a person waits for and only this host has: it is streamed to the API as the answer. */
export const StreamRequest = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("instance-log"),
    id: z.string(),
    instanceUid: z.string(),
    namespaceUid: z.string(),
    tail: z.int(),
    follow: z.boolean(),
    /** Instead of the last lines: all after the one with this cursor. */
    after: z.string().optional(),
  }),
  z.object({
    kind: z.literal("layer"),
    id: z.string(),
    digest: z.string(),
    /** As registries keep it, gzipped; absent: its canonical archive, which the digest names. */
    form: z.literal("oci-gzip").optional(),
  }),
]);
export type StreamRequest = z.infer<typeof StreamRequest>;

export const DesiredState = z.object({
  host: z.object({
    uid: z.string(),
    name: z.string(),
    index: z.int(),
    underlay: z.string(),
    roles: HostRoles,
  }),
  platform: z.object({
    network: z.string(),
    sourceNetwork: z.string(),
    appsDomain: z.string(),
    platformDomain: z.string(),
    /** Host of the platform's own registry, as references name it: its images come through the API. */
    registry: z.string().optional(),
  }),
  peers: z.array(PeerHost),
  namespaces: z.array(NamespaceAssignment),
  instances: z.array(InstanceAssignment),
  builds: z.array(BuildAssignment),
  /** Images that releases which can be rolled back to still need: never collected. */
  keepImages: z.array(z.string()),
  routing: Routing.optional(),
  /** Namespaces whose build cache somebody wants gone: a host removes it once for each stamp. */
  cleanCaches: z.array(z.object({ namespaceUid: z.string(), stamp: z.string() })).optional(),
  /** Digests of images here whose packages are to be listed, the most urgent first. */
  listPackages: z.array(z.string()).optional(),
  streams: z.array(StreamRequest),
});
export type DesiredState = z.infer<typeof DesiredState>;

export const InstanceReport = z.object({
  uid: z.string(),
  phase: z.enum(INSTANCE_PHASES),
  message: z.string().optional(),
  address: z.string().optional(),
  startedAt: z.iso.datetime().optional(),
  readyAt: z.iso.datetime().optional(),
  restarts: z.int(),
  lastExit: InstanceExit.optional(),
  /** Starts of processes and threads refused at the limit, in the run that goes on. */
  startsRefused: z.int().optional(),
  logTail: z.array(z.string()).optional(),
});
export type InstanceReport = z.infer<typeof InstanceReport>;

const percent = z.number().min(0).max(100);

export const HostReport = z.object({
  instances: z.array(InstanceReport),
  /** The routing version that this host's ingress has applied. */
  routingVersion: z.int().optional(),
  /** Requests and failures per backend since the ingress started. */
  traffic: z.array(z.object({ backendId: z.string(), requests: z.int(), failed: z.int() })).optional(),
  /** Pressure stall information of ten seconds, in percent; absent where the kernel does not measure it. */
  pressure: z.object({ cpuSome: percent, memorySome: percent, memoryFull: percent, ioSome: percent, ioFull: percent }).optional(),
});
export type HostReport = z.infer<typeof HostReport>;

/** Answer to a build claim: `epoch` must come with every later word about this build. */
export const BuildClaim = z.object({
  epoch: z.int(),
  leaseMs: z.int(),
  gitToken: z.string(),
  /** The app's secrets by name as JSON, sealed to the host's key: what RUN --mount=type=secret may ask for. Absent: it has none. */
  sealedSecrets: z.string().optional(),
  /** What the namespace has for registries (core's RegistryAccess) as JSON, sealed to the host's key. Absent: nothing. */
  sealedRegistries: z.string().optional(),
});
export type BuildClaim = z.infer<typeof BuildClaim>;

export const BuildResult = z.discriminatedUnion("outcome", [
  z.object({
    outcome: z.literal("succeeded"),
    image: ImageSchema,
    newBytes: z.int(),
    /** Of an image from a registry: the digest of what its reference stood for there. */
    sourceDigest: DigestSchema.optional(),
  }),
  z.object({ outcome: z.literal("failed"), failure: BuildFailureSchema }),
]);
export type BuildResult = z.infer<typeof BuildResult>;

/** Progress of a build as stored and streamed: `seq` grows by one from 0. The event's shape is core's BuildEvent. */
export const BuildProgress = z.object({
  seq: z.int(),
  event: z.custom<BuildEvent>((value) => typeof value === "object" && value !== null),
});
export type BuildProgress = z.infer<typeof BuildProgress>;
