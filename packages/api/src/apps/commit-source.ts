import { AppError, appCharges, applyCommitConfig, type BuildSource, type Spec } from "@plimsoll/core";
import { type CommitSays, type ReadCommitFile, readCommitSays } from "@plimsoll/core/app-file";
import type { Context } from "../context.ts";
import { assertQuota } from "./admit.ts";
import type { OpenApp } from "./open-app.ts";
import { validAppSpec } from "./spec.ts";

/** What a commit says of its app, and the directory that it was read for. */
export interface CommitDescription extends CommitSays {
  readonly directory: string | undefined;
}

/** A commit as people know it. */
export interface CommitFacts {
  readonly commit: string;
  readonly ref: string;
  readonly subject: string;
  readonly author: string;
}

/** Reads plimsoll.yaml and Procfile of a commit; before any transaction, as it asks git. Throws `invalid` with file, line and column. */
export async function describeCommit(spec: Spec<"App">, read: ReadCommitFile): Promise<CommitDescription> {
  const directory = directoryOf(spec);
  return { directory, ...(await readCommitSays(read, directory)) };
}

/** How the commit is built: as its own description says, else as the app's settings do. */
export function commitSource(spec: Spec<"App">, facts: CommitFacts, { build }: CommitDescription): BuildSource {
  const set = spec.source.kind === "git" ? spec.source : undefined;
  const dockerfile = build.dockerfile ?? set?.dockerfile;
  const target = build.target ?? set?.target;
  return {
    kind: "git",
    commit: facts.commit,
    ref: facts.ref,
    subject: facts.subject.slice(0, 200),
    author: facts.author.slice(0, 200),
    ...(build.directory === undefined || build.directory === "" ? {} : { directory: build.directory }),
    ...(dockerfile === undefined ? {} : { dockerfile }),
    ...(target === undefined ? {} : { target }),
    ...(build.memoryBytes === undefined ? {} : { memoryBytes: build.memoryBytes }),
    ...(build.args === undefined ? {} : { args: { ...build.args } }),
    ...(build.contexts === undefined ? {} : { contexts: { ...build.contexts } }),
  };
}

/**
 * Whether the app may become what the commit says: a valid app, whose secrets are set, within its quota. Throws what people are to do
 * else, and changes nothing: it takes effect with the commit's release, which is charged then. The books of team and namespace and the
 * app's row are the caller's to hold.
 */
export async function admitCommit(context: Pick<Context, "tx" | "settings">, open: OpenApp, says: CommitDescription): Promise<void> {
  const { app, namespace } = open;
  if (directoryOf(app.spec) !== says.directory)
    throw new AppError("conflict", `The directory of ${app.metadata.name} was changed meanwhile; push again.`);
  const missing = says.secrets.filter((name) => app.spec.secrets[name] === undefined);
  if (missing.length > 0) {
    const names = missing.length === 1 ? `the secret ${missing[0]}, which is` : `the secrets ${missing.join(", ")}, which are`;
    const commands = missing.map((name) => `  plim secrets set ${app.metadata.name} ${name} < file`);
    throw new AppError("precondition_failed", [`This commit needs ${names} not set. Set, then push again:`, ...commands].join("\n"));
  }
  if (says.config === undefined) return;
  const spec = naming(says.config.file, () => validAppSpec(applyCommitConfig(app.spec, says.config)));
  const subject = `${app.metadata.name} as ${says.config.file} describes it`;
  await assertQuota(context, { namespace, app, charges: appCharges(spec), subject });
}

function directoryOf({ source }: Spec<"App">): string | undefined {
  return source.kind === "git" ? source.directory : undefined;
}

/** A refusal of the spec as one of the file that it comes from. */
function naming<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "invalid") throw error;
    throw new AppError("invalid", `${file}: ${error.message}`, { details: error.details });
  }
}
