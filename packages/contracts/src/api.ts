import {
  AppSpec,
  EnvName,
  Kind,
  Labels,
  Metadata,
  NamespaceSpec,
  ObjectName,
  ProcessSpec,
  QuotaVector,
  RegistryCredential,
  RegistryMirrors,
  type Resource,
  ROLES,
} from "@plimsoll/core";
import { z } from "zod";
import { HOST_ROLES } from "./agent.ts";

/** Bodies and answers of the public HTTP API (/api/v1). Paths and permissions are in packages/api's routes. */
export * from "./disk.ts";
export * from "./host-load.ts";
export * from "./packages.ts";

export const ClaimRequest = z.object({
  code: z.string().describe("the one-time code that `npm start` printed"),
  name: z.string().min(1).max(100),
  email: z.email().max(200),
  password: z.string().min(10, "must have at least 10 characters").max(200),
});
export const LoginRequest = z.object({ email: z.string().max(200), password: z.string().max(200) });

export const Me = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string(),
  operator: z.boolean(),
  teams: z.array(z.object({ name: z.string(), displayName: z.string(), role: z.enum(ROLES), namespaces: z.array(z.string()) })),
});
export type Me = z.infer<typeof Me>;

export const NewNamespace = z.object({ name: ObjectName, displayName: z.string().max(100).optional(), quota: QuotaVector.optional() });
export const NewApp = z.object({ name: ObjectName, labels: Labels.optional(), spec: AppSpec.partial().optional() });
export type NewApp = z.infer<typeof NewApp>;

/** A change to an app: what is absent stays. A value of null in `env` removes the name. */
export const AppPatch = z.object({
  labels: Labels.optional(),
  env: z.record(EnvName, z.string().max(32_768).nullable()).optional(),
  processes: z.record(ObjectName, ProcessSpec.partial()).optional(),
  source: AppSpec.shape.source.optional(),
});
export type AppPatch = z.infer<typeof AppPatch>;

export const ScaleRequest = z.object({ process: ObjectName, replicas: z.int().min(0).max(100) });
export const RollbackRequest = z.object({ release: z.int().min(1).optional().describe("absent: the one before the live one") });
/** A commit that the app's repository has; what is absent is as the app's source says. */
export const NewBuild = z.object({
  commit: z.string().regex(/^[0-9a-f]{40}$/, "must be a commit's 40 hex digits"),
  dockerfile: z.string().min(1).max(512).optional(),
  target: z.string().min(1).max(128).optional(),
  args: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "is the name of an ARG"), z.string().max(32_768))
    .refine((args) => Object.keys(args).length <= 100, "has at most 100 arguments")
    .optional()
    .describe("values of ARG instructions, before those that the commit's plimsoll.yaml gives"),
  contexts: z
    .record(z.string().min(1).max(128), z.string().min(1).max(512))
    .refine((contexts) => Object.keys(contexts).length <= 50, "has at most 50 contexts")
    .optional()
    .describe("named build contexts: a directory of the repository, or docker-image:// and an image's name"),
  noCache: z.boolean().optional().describe("every step is executed, whatever is known of it; cache mounts stay"),
});
/** A branch or tag that an app's repository stores. */
export const Branch = z.object({
  kind: z.enum(["branch", "tag"]),
  name: z.string(),
  commit: z.string(),
  subject: z.string(),
  author: z.string(),
  committedAt: z.string().optional(),
  deployed: z.boolean().describe("pushes to this branch are deployed"),
  live: z.boolean().describe("the live release was built of its commit"),
});
export type Branch = z.infer<typeof Branch>;
export const BranchList = z.object({
  items: z.array(Branch).describe("newest first, at most 500"),
  more: z.boolean().describe("there are more than these"),
});
export const DeployBranchRequest = z.object({ branch: z.string().min(1).max(200) });
/** An image in the registry: what somebody pushed, or a release by its number, its commit or a git tag of that. */
export const RegistryImageOut = z.object({
  app: z.string(),
  tag: z.string(),
  reference: z.string().describe("as tools pull it"),
  kind: z.enum(["pushed", "release", "commit", "git-tag"]),
  digest: z.string().optional().describe("of its manifest; absent for a release that nobody has asked for yet"),
  sizeBytes: z.int(),
  release: z.int().optional().describe("the number of the release that it is"),
  createdAt: z.string(),
});
export type RegistryImageOut = z.infer<typeof RegistryImageOut>;
export const RegistryImageList = z.object({
  items: z.array(RegistryImageOut).describe("newest first"),
  registry: z.string().describe("host of the registry, for docker login"),
  usedBytes: z.int().describe("of this namespace, each blob once"),
  limitBytes: z.int(),
});
export const RegistryImageFound = z.object({ items: z.array(RegistryImageOut.extend({ team: z.string(), namespace: z.string() })) });
export const DeletedImages = z.object({ tags: z.array(z.string()) });
const PROVIDERS = ["github", "gitlab", "gitea", "plain"] as const;
/** A Git repository elsewhere that an app is to be deployed from. */
export const NewConnection = z.object({
  url: z.string().min(1).max(500).describe("https://host/owner/repository.git or git@host:owner/repository.git"),
  branch: z.string().min(1).max(200).default("main"),
  provider: z.enum(PROVIDERS).optional().describe("whose interface its host has; absent: guessed by its name"),
  auth: z
    .discriminatedUnion("kind", [
      z.object({ kind: z.literal("none") }),
      z.object({
        kind: z.literal("token"),
        token: z
          .string()
          .min(1)
          .max(4_096)
          .regex(/^[\x21-\x7e]+$/, "is no token: it has blanks or line ends"),
      }),
      z.object({ kind: z.literal("key") }),
    ])
    .default({ kind: "none" })
    .describe("how it is opened; `key`: by a new SSH key, whose public half is in the answer"),
});
export const Connection = z.object({
  url: z.string(),
  branch: z.string(),
  provider: z.enum(PROVIDERS),
  auth: z.enum(["none", "token", "key"]),
  publicKey: z.string().optional().describe("to be registered as a deploy key where the repository is"),
  webhook: z.string().describe("the address that the repository's host is to call on each push"),
  createdBy: z.string(),
  createdAt: z.string(),
  lookedAt: z.string().optional().describe("when it was looked at last"),
  failure: z.string().optional().describe("why nothing came of that look"),
  commit: z.string().optional().describe("of the branch, when it was looked at last"),
  build: z.string().optional().describe("name of the build of that commit"),
  unreported: z.string().optional().describe("why the commit's status could not be set"),
});
export type Connection = z.infer<typeof Connection>;
/** `secret` is shown once: the host signs its calls with it. */
export const CreatedConnection = Connection.extend({ secret: z.string() });
export const HookAnswer = z.object({ accepted: z.boolean(), reason: z.string().optional() });
export const DeployImageRequest = z.object({ reference: z.string().min(1).max(512) });
export const SecretValue = z.object({ value: z.string().max(65_536) });
/** What a namespace has for a registry: a credential is there where a user name is. */
export const RegistryEntry = z.object({
  registry: z.string(),
  username: z.string().optional(),
  mirrors: z.array(z.string()),
  changedAt: z.iso.datetime(),
  changedBy: z.string(),
});
export type RegistryEntry = z.infer<typeof RegistryEntry>;
export const RegistryList = z.object({ items: z.array(RegistryEntry) });
export const RegistryLogin = RegistryCredential;
export const RegistryMirrorsRequest = z.object({ mirrors: RegistryMirrors });
export const QuotaPatch = z.object({ quota: QuotaVector.partial() });
export const NamespacePatch = z.object({ displayName: z.string().max(100).optional(), build: NamespaceSpec.shape.build.optional() });

export const NewSshKey = z.object({ name: z.string().min(1).max(100), publicKey: z.string().max(16_384) });
export const SshKey = z.object({ id: z.string(), name: z.string(), fingerprint: z.string(), createdAt: z.string() });
/** A key of one app: `read` fetches its repository, `write` pushes to it too, and it does nothing else. */
export const NewDeployKey = z.object({
  name: z.string().min(1).max(100),
  publicKey: z.string().max(16_384),
  access: z.enum(["read", "write"]).default("read"),
});
export const DeployKey = z.object({
  id: z.string(),
  name: z.string(),
  fingerprint: z.string(),
  access: z.enum(["read", "write"]),
  addedBy: z.string(),
  createdAt: z.string(),
});
export const DeployKeyList = z.object({ items: z.array(DeployKey) });
export const NewToken = z.object({ name: z.string().min(1).max(100), expiresInDays: z.int().min(1).max(365).optional() });
export const Token = z.object({
  id: z.string(),
  name: z.string(),
  createdAt: z.string(),
  expiresAt: z.string().optional(),
  lastUsedAt: z.string().optional(),
});
/** `secret` is shown once and stored hashed. */
export const CreatedToken = Token.extend({ secret: z.string() });

export const ObjectSchema = z.object({
  metadata: Metadata,
  spec: z.record(z.string(), z.unknown()),
  status: z.record(z.string(), z.unknown()),
});
export const ObjectList = z.object({
  items: z.array(ObjectSchema),
  /** Version of the scope when it was read: a watch from here misses nothing. */
  version: z.int(),
  /** Present when there is more: give it as `continue`. */
  continue: z.string().optional(),
});

/** One change of a watch, as the data of a server-sent event whose id is `<scope>:<version>`. */
export interface WatchEvent {
  readonly type: "created" | "updated" | "deleted";
  readonly scope: string;
  readonly version: number;
  readonly object: Resource;
}

/** Body of an apply: an object by kind and name; created when it is not there, changed when it differs. */
export const ApplyRequest = z.object({
  kind: Kind,
  metadata: z.object({ name: ObjectName, labels: Labels.optional(), version: z.int().optional() }),
  spec: z.record(z.string(), z.unknown()),
});

/**
 * One line of an instance's log: what hosts stream to the API (one JSON object a line) and the API to readers (one event each, whose id
 * is the cursor: Last-Event-ID goes on after it).
 */
export const LogLine = z.object({
  stream: z.enum(["stdout", "stderr"]),
  at: z.string().max(64),
  text: z.string(),
  cursor: z
    .string()
    .regex(/^\d{1,9}:\d{1,15}$/)
    .optional(),
});
export type LogLine = z.infer<typeof LogLine>;

export const NewTeam = z.object({
  name: ObjectName,
  displayName: z.string().max(100).optional(),
  quota: QuotaVector,
  owner: z.email().max(200).optional().describe("e-mail address of an account that becomes its first owner"),
});
export type NewTeam = z.infer<typeof NewTeam>;

export const TeamPatch = z.object({ displayName: z.string().max(100).optional(), quota: QuotaVector.partial().optional() });
export type TeamPatch = z.infer<typeof TeamPatch>;

export const HostPatch = z.object({ schedulable: z.boolean().describe("false closes it: no new work, and what runs there moves away") });

/** What a new host may be: chosen by the operator, not by the host. */
export const NewHostToken = z
  .object({
    roles: z
      .array(z.enum(HOST_ROLES))
      .min(1)
      .default(["build", "run"])
      .transform((roles) => HOST_ROLES.filter((role) => roles.includes(role)))
      .describe("what the host may be: build, run, ingress"),
    name: ObjectName.optional().describe("the only host it is for; needed to give a host that is known a new credential"),
  })
  .optional();

/** A new enrolment token for hosts, and the line to run on the machine. */
export const HostToken = z.object({ token: z.string(), command: z.string() });

export const SshKeyList = z.object({ items: z.array(SshKey) });
export const TokenList = z.object({ items: z.array(Token) });
export const ClaimCheck = z.object({ valid: z.literal(true) });
export const Health = z.object({ status: z.literal("ok") });
