import { minimalEnv, type Output, run } from "@plimsoll/exec";

/** Where pushed commits are kept until their release is decided; no client sees or changes it. */
export const PUSH_REFS = "refs/plim/pushes/";

/** What is pushed here is taken in: a commit that is to be built and not deployed. */
export const BUILD_REFS = "refs/for-build/";

/**
 * The commit that was taken in last; those before are kept for a while without any ref. Clients see it: what it has need not be sent with the
 * next one, nor be looked for again when that has arrived.
 */
export const LAST_FOR_BUILD = `${BUILD_REFS}head`;

export interface GitSettings {
  /** Directory with our hooks. */
  readonly hooksDir: string;
  /** Larger pushes are refused by git. */
  readonly maxPushBytes: number;
}

/**
 * The environment of every git process: git's own configuration files are out of sight, and what we want of git comes with each
 * process, so that existing repositories follow a newer Plimsoll (and a moved data directory) without being rewritten.
 */
export function gitEnvironment(settings: GitSettings): Readonly<Record<string, string>> {
  const config: readonly (readonly [string, string])[] = [
    ["receive.procReceiveRefs", "refs/heads/"],
    ["receive.procReceiveRefs", "refs/tags/"],
    ["receive.procReceiveRefs", BUILD_REFS],
    ["core.hooksPath", settings.hooksDir],
    ["transfer.hideRefs", "refs/plim"],
    ["transfer.fsckObjects", "true"],
    // Old tools wrote these, many repositories have them for ever, and they do no harm: GitHub and GitLab let them pass as well.
    ["receive.fsck.zeroPaddedFilemode", "ignore"],
    ["receive.fsck.missingSpaceBeforeDate", "ignore"],
    ["receive.fsck.badTimezone", "ignore"],
    ["receive.maxInputSize", String(settings.maxPushBytes)],
    ["receive.denyCurrentBranch", "ignore"],
    ["receive.denyDeleteCurrent", "ignore"],
    ["receive.advertisePushOptions", "true"],
    // A push that only waits for its deploy sends a sign of life: proxies and routers forget silent connections.
    ["receive.keepAlive", "5"],
    ["uploadpack.keepAlive", "5"],
    // Builders fetch the commit of a push, which no visible ref points at.
    ["uploadpack.allowAnySHA1InWant", "true"],
    // Housekeeping is started by us, one at a time, never as a daemon behind a push.
    ["receive.autogc", "false"],
    ["gc.autoDetach", "false"],
    ["maintenance.auto", "false"],
    ["core.logAllRefUpdates", "false"],
    ["core.fsync", "committed"],
    ["core.fsyncMethod", "batch"],
    ["safe.directory", "*"],
    ["advice.detachedHead", "false"],
  ];
  const variables = config.flatMap(([key, value], at): [string, string][] => [
    [`GIT_CONFIG_KEY_${at}`, key],
    [`GIT_CONFIG_VALUE_${at}`, value],
  ]);
  return {
    PATH: minimalEnv.PATH ?? "",
    LANG: "C.UTF-8",
    HOME: "/nonexistent",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_SYSTEM: "/dev/null",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    // Who our own ref updates are by, in reflogs.
    GIT_COMMITTER_NAME: "Plimsoll",
    GIT_COMMITTER_EMAIL: "plimsoll@localhost",
    GIT_CONFIG_COUNT: String(config.length),
    ...Object.fromEntries(variables),
  };
}

export interface GitRunOptions {
  readonly stdin?: string;
  readonly okCodes?: readonly number[];
  readonly timeoutMs?: number;
}

/** Runs one git command in a bare repository. Throws as `run` does. */
export type Git = (repository: string, args: readonly string[], options?: GitRunOptions) => Promise<Output>;

export function createGit(environment: Readonly<Record<string, string>>): Git {
  return (repository, args, options = {}) => run(["git", "--git-dir", repository, ...args], { env: environment, cwd: "/", ...options });
}
