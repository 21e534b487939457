import type { Me } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core/errors";
import { run } from "@plimsoll/exec";
import type { Client } from "./client.ts";
import { usageError } from "./failure.ts";

/** Where a command works: names as the API's paths have them. */
export interface Place {
  readonly team: string;
  readonly namespace: string;
}

export interface AppPlace extends Place {
  readonly app: string;
}

/** For people: `acme/store`. */
export function placeName({ team, namespace }: Place): string {
  return `${team}/${namespace}`;
}

/**
 * The namespace of a command: from --namespace, else PLIM_NAMESPACE, else the `plimsoll` remote of the repository we stand in, else the
 * only one that there is. A namespace may be named without its team where that says enough.
 */
export async function resolvePlace(option: string | undefined, client: () => Promise<Client>): Promise<Place> {
  const named = option ?? (process.env.PLIM_NAMESPACE || undefined);
  if (named !== undefined) return namedPlace(named, client);
  const remote = await remotePlace();
  if (remote !== undefined) return remote;
  const places = await myPlaces(await client());
  if (places.length === 1 && places[0] !== undefined) return places[0];
  if (places.length === 0)
    throw new AppError("not_found", "You are in no namespace yet; ask the owner of a team, or: plim namespaces create team/name");
  throw usageError(`Which namespace? Give one of these with -n: ${places.map(placeName).join(", ")}`);
}

async function namedPlace(named: string, client: () => Promise<Client>): Promise<Place> {
  const [first = "", second, extra] = named.split("/");
  if (first === "" || second === "" || extra !== undefined) throw usageError(`A namespace is named team/namespace, not \`${named}\`.`);
  if (second !== undefined) return { team: first, namespace: second };
  const places = (await myPlaces(await client())).filter(({ namespace }) => namespace === first);
  if (places.length === 1 && places[0] !== undefined) return places[0];
  if (places.length === 0) throw new AppError("not_found", `You are in no namespace ${first}; plim namespaces lists yours.`);
  throw usageError(`There are several namespaces ${first}: name its team too, one of ${places.map(placeName).join(", ")}.`);
}

export async function myPlaces(client: Client): Promise<readonly Place[]> {
  const { teams }: Me = await client.call("GET /api/v1/me", {});
  return teams.flatMap((team) => team.namespaces.map((namespace) => ({ team: team.name, namespace })));
}

/** The app that was named, in the namespace of the command; else the one that this repository's remote names. */
export async function resolveApp(named: string | undefined, option: string | undefined, client: () => Promise<Client>): Promise<AppPlace> {
  if (named !== undefined) return { ...(await resolvePlace(option, client)), app: named };
  const remote = await remotePlace();
  if (remote === undefined) throw usageError("Which app? Name it, or stand in a repository that `plim init` made known.");
  return option === undefined && !process.env.PLIM_NAMESPACE ? remote : { ...(await resolvePlace(option, client)), app: remote.app };
}

/** What the `plimsoll` remote of the repository that we stand in names: over SSH or HTTP, with or without `.git`. */
export async function remotePlace(): Promise<AppPlace | undefined> {
  const url = await askGit(["remote", "get-url", "plimsoll"], process.cwd());
  return url === undefined ? undefined : parseRemote(url.trim());
}

/** A host, by URL or as scp writes it, then at the end of the path the three names. */
const REMOTE = /^(?:[a-z+]+:\/\/[^/]+\/|[^/:]+:)(?:.*\/)?([a-z][a-z0-9-]*)\/([a-z][a-z0-9-]*)\/([a-z][a-z0-9-]*?)(?:\.git)?\/?$/;

/** `ssh://git@host:2222/acme/store/shop.git` → acme, store, shop. */
export function parseRemote(url: string): AppPlace | undefined {
  const [, team, namespace, app] = REMOTE.exec(url) ?? [];
  return team === undefined || namespace === undefined || app === undefined ? undefined : { team, namespace, app };
}

/** What git prints; rejects when it fails or is not there. With the person's own environment: their git is configured for them. */
export async function git(args: readonly string[], options: { readonly cwd?: string; readonly timeoutMs?: number } = {}): Promise<string> {
  const { stdout } = await run(["git", ...args], { env: gitEnvironment(), ...options });
  return stdout;
}

/** What git prints of the repository that a folder is in; undefined where there is no repository, or not what was asked for in it. */
export async function askGit(args: readonly string[], cwd: string): Promise<string | undefined> {
  const { code, stdout, stderr } = await run(["git", ...args], {
    cwd,
    env: { ...gitEnvironment(), LC_ALL: "C" },
    okCodes: [0, 1, 2, 128],
  }).catch((cause: unknown) => {
    throw new AppError("invalid", `git cannot be run in ${cwd}; is the folder there, is git installed?`, {
      cause,
      details: { usage: true },
    });
  });
  if (code === 0) return stdout;
  if (stderr === "" || /not a git repository|No such remote|not a symbolic ref/.test(stderr)) return undefined;
  throw new AppError("invalid", `git ${args[0]} does not work in ${cwd}: ${stderr.trim()}`, { details: { usage: true } });
}

export function gitEnvironment(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
