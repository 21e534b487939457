import { chown, constants, copyFile, link, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { AppError, ifThere } from "@plimsoll/core";
import { type Output, run } from "@plimsoll/exec";
import type { Git } from "../git-command.ts";
import { cleanLine } from "../render/text.ts";
import type { Remote } from "./remote-url.ts";

export type RemoteCredential =
  | { readonly kind: "none" }
  | { readonly kind: "token"; readonly token: string }
  /** OpenSSH private key. */
  | { readonly kind: "key"; readonly privateKey: string };

export interface RemoteBranch {
  readonly remote: Remote;
  readonly branch: string;
  readonly credential: RemoteCredential;
  /** What the other side's SSH server showed before, as known_hosts has it; empty: it is met for the first time. */
  readonly knownHosts: string;
  /** Where to connect: the remote's name is not asked again. */
  readonly address: string;
}

export interface FetchPlaces {
  readonly git: Git;
  /** The environment of our own git processes: configuration files are out of sight. */
  readonly environment: Readonly<Record<string, string>>;
  readonly repository: string;
  /** Where nobody may go; on the repositories' file system what is there already is not fetched again. */
  readonly scratchDir: string;
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

/** Debian's nobody: git talks to strangers as somebody who owns nothing. */
const NOBODY = 65_534;
const TIMEOUT_MS = 10 * 60_000;
const CPU_SECONDS = 300;
const MAX_KNOWN_HOSTS = 16 * 1024;
/** What pushes may have as well: see gitEnvironment. */
const HARMLESS = ["zeroPaddedFilemode", "missingSpaceBeforeDate", "badTimezone"];
const SCRATCH = "plimsoll-fetch-";
const FETCHED = "refs/fetched/head";
/** git gives it to a shell: a constant, whose one variable is ours. */
const SSH_COMMAND = 'ssh -F "$PLIMSOLL_SSH_CONFIG"';

/**
 * Brings a branch of a repository elsewhere into an app's, and lets the branch of that name point at its commit. Whatever talks to the other
 * side is a git of nobody's in a directory of its own, bounded in time, processor and bytes, that follows no redirect and asks no name again;
 * what it brought is checked (`index-pack --strict`) on its way into the repository. Throws AppError `unavailable` with git's own last words.
 */
export async function fetchRemote(
  wanted: RemoteBranch,
  places: FetchPlaces,
): Promise<{ readonly commit: string; readonly knownHosts: string }> {
  const { git, repository, scratchDir } = places;
  const scratch = await mkdtemp(join(scratchDir, SCRATCH));
  try {
    const owner = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    const own = (path: string) => (owner.uid === undefined ? Promise.resolve() : chown(path, owner.uid, owner.gid));
    await own(scratch);
    const store = join(scratch, "store");
    const env = { ...places.environment, ...(await strangerEnv(wanted, scratch, own)) };
    const asNobody = (args: readonly string[], okCodes = [0]): Promise<Output> =>
      run(
        [
          "prlimit",
          `--fsize=${places.maxBytes}`,
          `--cpu=${CPU_SECONDS}`,
          "--nofile=512",
          "--core=0",
          "--",
          "git",
          "--git-dir",
          store,
          ...args,
        ],
        {
          env,
          cwd: scratch,
          timeoutMs: TIMEOUT_MS,
          okCodes,
          ...owner,
          ...(places.signal === undefined ? {} : { signal: places.signal }),
        },
      );
    await asNobody(["init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--object-format=sha1"]);
    await lendObjects(git, repository, store, own);
    const refspec = `+refs/heads/${wanted.branch}:${FETCHED}`;
    const fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance", "--"];
    const { code, stderr } = await asNobody([...fetch, wanted.remote.url, refspec], [0, 1, 128]);
    if (code !== 0) throw failed(wanted, stderr);
    const commit = (await asNobody(["rev-parse", "--verify", `${FETCHED}^{commit}`])).stdout.trim();
    await takePacks(git, repository, store);
    const { code: moved } = await git(repository, ["update-ref", `refs/heads/${wanted.branch}`, commit], { okCodes: [0, 1, 128] });
    if (moved !== 0)
      throw new AppError("unavailable", `Branch ${wanted.branch} cannot be stored: another branch that was pushed here is in its way.`);
    return { commit, knownHosts: await knownHostsOf(scratch) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Removes what fetches of a killed server left. */
export async function sweepFetches(scratchDir: string): Promise<void> {
  for (const name of await readdir(scratchDir)) {
    if (!name.startsWith(SCRATCH)) continue;
    const path = join(scratchDir, name);
    const found = await ifThere(stat(path));
    // One that is younger may be another server's.
    if (found !== undefined && Date.now() - found.mtimeMs > 2 * TIMEOUT_MS) await rm(path, { recursive: true, force: true });
  }
}

async function strangerEnv(wanted: RemoteBranch, scratch: string, own: (path: string) => Promise<void>): Promise<Record<string, string>> {
  const { remote, credential, address } = wanted;
  const config: [string, string][] = [
    ["protocol.allow", "never"],
    [`protocol.${remote.scheme}.allow`, "always"],
    ["http.followRedirects", "false"],
    ["http.curloptResolve", `${remote.host}:${remote.port}:${isIPv6(address) ? `[${address}]` : address}`],
    ["http.lowSpeedLimit", "1000"],
    ["http.lowSpeedTime", "60"],
    ["credential.helper", ""],
    ["core.hooksPath", "/dev/null"],
    ["fetch.fsckObjects", "true"],
    ...HARMLESS.map((message): [string, string] => [`fetch.fsck.${message}`, "ignore"]),
    // Always a pack: what was brought is one file.
    ["fetch.unpackLimit", "1"],
    ["gc.auto", "0"],
    ["safe.directory", "*"],
  ];
  // In its environment and not among its arguments, which others on the machine can read. GitHub, GitLab and Gitea all take it as password.
  if (credential.kind === "token") {
    const basic = Buffer.from(`plimsoll:${credential.token}`).toString("base64");
    config.push(["http.extraHeader", `Authorization: Basic ${basic}`]);
  }
  const env: Record<string, string> = { GIT_CONFIG_COUNT: String(config.length), GIT_PROTOCOL_FROM_USER: "0", GIT_ASKPASS: "/bin/false" };
  for (const [at, [key, value]] of config.entries()) {
    env[`GIT_CONFIG_KEY_${at}`] = key;
    env[`GIT_CONFIG_VALUE_${at}`] = value;
  }
  if (remote.scheme !== "ssh") return env;
  const put = async (name: string, text: string) => {
    await writeFile(join(scratch, name), text, { mode: 0o600 });
    await own(join(scratch, name));
    return `"${join(scratch, name)}"`;
  };
  const knownHosts = await put("known_hosts", wanted.knownHosts);
  const lines = [
    `HostName ${address}`,
    `HostKeyAlias ${remote.host}`,
    `UserKnownHostsFile ${knownHosts}`,
    "GlobalKnownHostsFile /dev/null",
    `StrictHostKeyChecking ${wanted.knownHosts === "" ? "accept-new" : "yes"}`,
    ...["IdentitiesOnly yes", "IdentityAgent none", "BatchMode yes", "ConnectTimeout 20", "ServerAliveInterval 15", "HashKnownHosts no"],
    ...["ForwardAgent no", "ClearAllForwardings yes", "ControlMaster no", "PermitLocalCommand no", "ProxyCommand none", "LogLevel ERROR"],
    `IdentityFile ${credential.kind === "key" ? await put("key", credential.privateKey) : "none"}`,
  ];
  await put("ssh_config", `Host *\n${lines.map((line) => `  ${line}\n`).join("")}`);
  return { ...env, GIT_SSH_COMMAND: SSH_COMMAND, GIT_SSH_VARIANT: "ssh", PLIMSOLL_SSH_CONFIG: join(scratch, "ssh_config") };
}

/** Shows nobody's git what the app's repository has, so that only what is new is fetched: hard links, which it can read and not change. */
async function lendObjects(git: Git, repository: string, store: string, own: (path: string) => Promise<void>): Promise<void> {
  let whole = true;
  const objects = join(repository, "objects");
  for (const folder of await readdir(objects)) {
    if (folder !== "pack" && !/^[0-9a-f]{2}$/.test(folder)) continue;
    await mkdir(join(store, "objects", folder), { recursive: true });
    await own(join(store, "objects", folder));
    for (const name of await readdir(join(objects, folder))) {
      if (folder === "pack" && !/^pack-[0-9a-f]+\.(pack|idx|rev)$/.test(name)) continue;
      await link(join(objects, folder, name), join(store, "objects", folder, name)).catch(() => {
        whole = false;
      });
    }
  }
  // Packed away meanwhile, or another file system: what is not there must not be named, and all of it is fetched.
  if (!whole) return;
  const { stdout } = await git(repository, ["for-each-ref", "--count=200", "--format=%(objectname)", "refs/heads/"]);
  const ids = [...new Set(stdout.split("\n").filter((id) => id !== ""))];
  await writeFile(join(store, "packed-refs"), ids.map((id) => `${id} refs/known/${id}\n`).join(""));
  await own(join(store, "packed-refs"));
}

/** Takes the new packs over: copied, then indexed and checked where they are to stay; without its index no git sees a pack. */
async function takePacks(git: Git, repository: string, store: string): Promise<void> {
  const target = join(repository, "objects", "pack");
  await mkdir(target, { recursive: true });
  // Never over one that is there: that is the repository's own.
  const own = new Set(await readdir(target));
  const packs = (await readdir(join(store, "objects", "pack"))).filter((name) => /^pack-[0-9a-f]{40}\.pack$/.test(name) && !own.has(name));
  for (const name of packs) {
    const path = join(target, name);
    await copyFile(join(store, "objects", "pack", name), path, constants.COPYFILE_EXCL);
    try {
      await git(repository, ["index-pack", `--strict=${HARMLESS.map((message) => `${message}=ignore`).join(",")}`, path], {
        timeoutMs: TIMEOUT_MS,
      });
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }
}

async function knownHostsOf(scratch: string): Promise<string> {
  return (await readFile(join(scratch, "known_hosts"), "utf8").catch(() => "")).slice(0, MAX_KNOWN_HOSTS);
}

function failed({ remote, branch, credential }: RemoteBranch, stderr: string): AppError {
  const said = cleanLine(
    stderr
      .trim()
      .split("\n")
      .filter((line) => line.trim() !== "")
      .slice(-3)
      .join(" "),
  ).slice(0, 400);
  const why = (() => {
    if (/couldn't find remote ref/i.test(stderr)) return `it has no branch ${branch}`;
    if (/could not read Username|Authentication failed|HTTP Basic|401|403|Permission denied|publickey/i.test(stderr))
      return credential.kind === "none"
        ? "it asks who we are: give a token or a deploy key"
        : `it does not take the ${credential.kind === "token" ? "token" : "deploy key"}`;
    if (/Host key verification failed|IDENTIFICATION HAS CHANGED/i.test(stderr))
      return "its SSH host key is another than before; if that is right, connect it anew";
    if (/unable to update url base from redirection|redirect/i.test(stderr))
      return "it answers with a redirect, which is not followed: give the address that it leads to";
    return undefined;
  })();
  return new AppError("unavailable", `${remote.url} could not be fetched: ${why ?? (said === "" ? "git did not say why" : said)}.`);
}
