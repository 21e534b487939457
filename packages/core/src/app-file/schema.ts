import { z } from "zod";
import { NAME_PATTERN } from "../ids.ts";

/** The file's name, in the directory that an app is built from. */
export const APP_FILE = "plimsoll.yaml";

const MIB = 1024 * 1024;
const MAX_ARGS = 100;
const MAX_CONTEXTS = 50;
const CONTEXT_NAME = /^[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}$/;

const CPU_RULE = "is processors, like 0.5, or thousandths, like 250m";
/** `250m` or a number of processors. Out: thousandths. */
const Cpu = z
  .union([z.number(), z.string().regex(/^\d{1,5}m$/, CPU_RULE)], { error: CPU_RULE })
  .transform((value) => (typeof value === "number" ? Math.round(value * 1_000) : Number(value.slice(0, -1))))
  .refine((millis) => millis >= 10 && millis <= 64_000, "is 0.01 to 64 processors")
  .describe("processors of one instance, a hard limit: 0.5, or 250m");

/** `512 MiB`. Out: bytes. */
const Memory = z
  .string({ error: "is an amount with its unit, like 512 MiB" })
  .regex(/^\d{1,6}(\.\d{1,3})? ?(MiB|GiB)$/, "is an amount in MiB or GiB, like 512 MiB")
  .transform((text) => Math.round(Number.parseFloat(text) * (text.endsWith("GiB") ? 1024 * MIB : MIB)))
  .refine((bytes) => bytes >= 8 * MIB && bytes <= 1024 ** 4, "is 8 MiB to 1024 GiB")
  .describe("memory of one instance, a hard limit: 512 MiB");

/** `30s`, `500ms`, `2m`. Out: milliseconds. */
const duration = (minMs: number, maxMs = 600_000) =>
  z
    .string({ error: "is a time with its unit, like 30s" })
    .regex(/^\d{1,6}(ms|s|m)$/, "is a time in ms, s or m, like 30s")
    .transform((text) => Number.parseInt(text, 10) * (text.endsWith("ms") ? 1 : text.endsWith("s") ? 1_000 : 60_000))
    .refine((ms) => ms >= minMs && ms <= maxMs, `is ${minMs === 0 ? "0s" : `${minMs}ms`} to ${maxMs / 60_000}m`);

/** A path in the repository, from the file's own directory. */
const Path = z.string({ error: "is a path in the repository" }).min(1, "names a path in the repository").max(512);

const EnvKey = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/);
/** Numbers and yes-or-no come as they are written. */
const Text = z.union([z.string().max(32_768), z.number(), z.boolean()], { error: "is a text; quote what YAML takes for something else" });

const COMMAND_RULE = "is a line for the shell, or a list of words that is started as it is";
const Command = z
  .union(
    [z.string().min(1, COMMAND_RULE).max(4_096, COMMAND_RULE), z.array(z.string().max(4_096, COMMAND_RULE)).min(1, COMMAND_RULE).max(64)],
    {
      error: COMMAND_RULE,
    },
  )
  .transform((command) => (typeof command === "string" ? ["/bin/sh", "-c", command] : command))
  .describe("what runs, in place of the image's CMD: a line for /bin/sh, or a list of words without a shell");

const Process = z
  .strictObject({
    command: Command.optional(),
    replicas: z
      .int({ error: "is a whole number of instances" })
      .min(0, "is 0 to 100 instances")
      .max(100, "is 0 to 100 instances")
      .optional()
      .describe("instances; absent: as `plim scale` has set it, 1 at first"),
    cpu: Cpu.optional(),
    memory: Memory.optional(),
    port: z
      .int({ error: "is a port number" })
      .min(1, "is 1 to 65535")
      .max(65_535, "is 1 to 65535")
      .optional()
      .describe("where it listens, told to it as PORT; absent: 8080 for web, none for others"),
    ready: z
      .string({ error: "is a path that is asked by HTTP, tcp, or none" })
      .regex(/^(tcp|none|\/.{0,511})$/, "is a path that is asked by HTTP, like /healthz, or tcp, or none")
      .optional()
      .describe("when an instance is ready: a path that answers 2xx or 3xx, tcp for an open port, none for at once"),
    readyTimeout: duration(100).optional().describe("how long it may take to get ready: 60s"),
    stopGrace: duration(0).optional().describe("from the stop signal to the kill: 10s"),
  })
  .describe("a program of the app");

const CONTEXT_RULE = "is a directory, like ../shared, or an image, like docker-image://nginx:1.27";
const Context = z
  .string({ error: CONTEXT_RULE })
  .min(1, CONTEXT_RULE)
  .max(512)
  .regex(/^(docker-image:\/\/.+|(?![a-z-]+:\/\/).*)$/i, CONTEXT_RULE);

const Build = z
  .strictObject({
    context: Path.optional().describe("directory that is built; absent: the one of this file"),
    file: Path.optional().describe("the Dockerfile; absent: Dockerfile in the context, or one is written for what is found there"),
    target: z
      .string({ error: "names a stage of the Dockerfile" })
      .min(1)
      .max(128)
      .optional()
      .describe("stage of the Dockerfile to stop at"),
    memory: Memory.optional().describe(
      "memory that the build may use, up to the namespace's memory quota: 4 GiB; absent: what the namespace gives builds",
    ),
    args: z
      .record(EnvKey, Text, { error: "maps names of ARG instructions to values" })
      .refine((args) => Object.keys(args).length <= MAX_ARGS, `has at most ${MAX_ARGS} arguments`)
      .optional()
      .describe("values of the Dockerfile's ARG instructions; no secrets: they stay in the image's history"),
    contexts: z
      .record(z.string().regex(CONTEXT_NAME, "is a name of letters, digits and . _ - / :"), Context, {
        error: "maps names to directories or images",
      })
      .refine((contexts) => Object.keys(contexts).length <= MAX_CONTEXTS, `has at most ${MAX_CONTEXTS} contexts`)
      .optional()
      .describe("what names mean in FROM and --from, before stages and images: a directory, or docker-image:// and an image"),
  })
  .describe("how the image is made");

const Release = z
  .strictObject(
    {
      command: Command,
      timeout: duration(1_000, 3_600_000).optional().describe("how long it may take: 10m"),
    },
    { error: "has a command, as in `release: { command: ./migrate }`" },
  )
  .describe("what runs once in an instance of each new release, before anything of it serves; where it fails, what serves stays");

/** What a plimsoll.yaml may say: the published JSON schema is made of it. Its output has our units. */
export const AppFileSchema = z
  .strictObject({
    build: Build.optional(),
    env: z.record(EnvKey, Text, { error: "maps names to values" }).optional().describe("environment of every process; no secrets"),
    secrets: z
      .array(EnvKey, { error: "is a list of names" })
      .max(500)
      .optional()
      .describe("names of secrets that must be set before a commit is deployed; their values come from `plim secrets set`"),
    release: Release.optional(),
    processes: z
      .record(z.string().regex(NAME_PATTERN), Process, { error: "maps names to processes, like web: and worker:" })
      .optional()
      .describe("every process of the app; what is not named here does not run"),
  })
  .describe("An app of Plimsoll, as its repository describes it");

export type AppFile = z.output<typeof AppFileSchema>;

/** The schema that editors check a plimsoll.yaml by. */
export function appFileJsonSchema(): Record<string, unknown> {
  return { title: APP_FILE, ...z.toJSONSchema(AppFileSchema, { io: "input" }) };
}
