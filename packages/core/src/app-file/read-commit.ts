import { posix } from "node:path";
import { AppError } from "../errors.ts";
import type { CommitConfig } from "./commit-config.ts";
import { PROCFILE, RELEASE, readProcfile } from "./procfile.ts";
import { readAppFile, refused } from "./read.ts";
import { APP_FILE, type AppFile } from "./schema.ts";

/** What a release command may take where nobody says otherwise. */
const RELEASE_TIMEOUT_MS = 600_000;

/** How a commit wants to be built; paths are of the repository. */
export interface CommitBuild {
  readonly directory?: string;
  readonly dockerfile?: string;
  readonly target?: string;
  readonly memoryBytes?: number;
  readonly args?: Readonly<Record<string, string>>;
  /** Directories are of the repository; images begin with docker-image://. */
  readonly contexts?: Readonly<Record<string, string>>;
}

export interface CommitSays {
  readonly build: CommitBuild;
  /** Secrets that the app must have. */
  readonly secrets: readonly string[];
  readonly config?: CommitConfig;
}

/** A text file of the commit by its path in the repository; undefined when there is none. */
export type ReadCommitFile = (path: string) => Promise<string | undefined>;

/**
 * What a commit says of its app: plimsoll.yaml in the app's directory (undefined: the root), and the Procfile there where that has no
 * `processes`. Throws AppError `invalid` with file, line and column of everything that is wrong.
 */
export async function readCommitSays(read: ReadCommitFile, directory = ""): Promise<CommitSays> {
  const inDirectory = (name: string) => posix.join(directory, name);
  const path = inDirectory(APP_FILE);
  const [text, misnamed, procfile] = await Promise.all([read(path), read(inDirectory("plimsoll.yml")), read(inDirectory(PROCFILE))]);
  if (text === undefined && misnamed !== undefined)
    throw refused([{ file: inDirectory("plimsoll.yml"), line: 1, column: 1, message: `is not read; rename it to ${APP_FILE}` }]);
  const file: AppFile = text === undefined ? {} : readAppFile(text, path);
  const build = { ...(directory === "" ? {} : { directory }), ...buildOf(file, directory, path) };
  const ofProcfile = file.processes !== undefined || procfile === undefined ? undefined : readProcfile(procfile, inDirectory(PROCFILE));
  const { [RELEASE]: release, ...commands } = ofProcfile ?? {};
  const { processes, source } =
    ofProcfile === undefined
      ? { processes: file.processes === undefined ? undefined : processesOf(file.processes), source: path }
      : { processes: Object.keys(commands).length === 0 ? undefined : shellProcesses(commands), source: inDirectory(PROCFILE) };
  const releaseCommand = file.release ?? (release === undefined ? undefined : { command: inShell(release), timeout: undefined });
  const env = Object.fromEntries(Object.entries(file.env ?? {}).map(([name, value]) => [name, String(value)]));
  if (text === undefined && ofProcfile === undefined) return { build, secrets: [] };
  return {
    build,
    secrets: file.secrets ?? [],
    config: {
      file: text === undefined ? source : path,
      env,
      ...(processes === undefined ? {} : { processes }),
      ...(releaseCommand === undefined
        ? {}
        : { releaseCommand: { command: releaseCommand.command, timeoutMs: releaseCommand.timeout ?? RELEASE_TIMEOUT_MS } }),
    },
  };
}

function inShell(line: string): string[] {
  return ["/bin/sh", "-c", line];
}

function buildOf({ build }: AppFile, directory: string, file: string): CommitBuild {
  if (build === undefined) return {};
  const inside = (key: string, path: string) => {
    const resolved = posix.normalize(posix.join(directory, path.startsWith("/") ? `.${path}` : path)).replace(/\/+$/, "");
    if (resolved === ".." || resolved.startsWith("../"))
      throw new AppError("invalid", `${file}: build.${key}: ${path} leaves the repository; name a path in it.`);
    return resolved === "." ? "" : resolved;
  };
  const args = build.args && Object.fromEntries(Object.entries(build.args).map(([name, value]) => [name, String(value)]));
  return {
    ...(build.context === undefined ? {} : { directory: inside("context", build.context) }),
    ...(build.file === undefined ? {} : { dockerfile: inside("file", build.file) }),
    ...(build.target === undefined ? {} : { target: build.target }),
    ...(build.memory === undefined ? {} : { memoryBytes: build.memory }),
    ...(args === undefined ? {} : { args }),
    ...(build.contexts === undefined ? {} : { contexts: contextsOf(build.contexts, inside) }),
  };
}

function contextsOf(contexts: Readonly<Record<string, string>>, inside: (key: string, path: string) => string): Record<string, string> {
  const placed = ([name, value]: readonly [string, string]) => {
    if (value.startsWith("docker-image://")) return [name, value] as const;
    return [name, inside(`contexts.${name}`, value) || "."] as const;
  };
  return Object.fromEntries(Object.entries(contexts).map(placed));
}

function processesOf(processes: NonNullable<AppFile["processes"]>): NonNullable<CommitConfig["processes"]> {
  return Object.fromEntries(
    Object.entries(processes).map(([name, one]) => [
      name,
      {
        ...(one.command === undefined ? {} : { command: one.command }),
        ...(one.replicas === undefined ? {} : { replicas: one.replicas }),
        ...(one.cpu === undefined ? {} : { cpuMillis: one.cpu }),
        ...(one.memory === undefined ? {} : { memoryBytes: one.memory }),
        ...(one.port === undefined ? {} : { port: one.port }),
        ...(one.ready === undefined ? {} : { ready: one.ready }),
        ...(one.readyTimeout === undefined ? {} : { readyTimeoutMs: one.readyTimeout }),
        ...(one.stopGrace === undefined ? {} : { stopGraceMs: one.stopGrace }),
      },
    ]),
  );
}

function shellProcesses(commands: Readonly<Record<string, string>>): NonNullable<CommitConfig["processes"]> {
  return Object.fromEntries(Object.entries(commands).map(([name, command]) => [name, { command: inShell(command) }]));
}
