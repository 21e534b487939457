import { readFile } from "node:fs/promises";
import { AppError } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { type Client, createClient } from "./client.ts";
import { loadLogin } from "./config.ts";

/** Where a command works: `team/namespace`, and the app when the folder's git remote names one. */
export interface Place {
  readonly team: string;
  readonly namespace: string;
  readonly app?: string;
}

export async function openClient(): Promise<Client> {
  return createClient(await loadLogin());
}

/** From `--namespace team/namespace`, else PLIM_NAMESPACE, else the `plimsoll` remote of the git repository we stand in. */
export async function place(option: string | undefined): Promise<Place> {
  const named = option ?? process.env.PLIM_NAMESPACE;
  if (named !== undefined) return parsePlace(named);
  const remote = await run(["git", "remote", "get-url", "plimsoll"], { okCodes: [0, 2, 128] });
  const match = /([a-z0-9-]+)\/([a-z0-9-]+)\/([a-z0-9-]+)\.git$/.exec(remote.stdout.trim());
  if (match?.[1] !== undefined && match[2] !== undefined && match[3] !== undefined)
    return { team: match[1], namespace: match[2], app: match[3] };
  throw new AppError("invalid", "Which namespace? Give --namespace team/namespace, or stand in a repository made known by plim init.");
}

function parsePlace(text: string): Place {
  const [team, namespace, extra] = text.split("/");
  if (!team || !namespace || extra !== undefined) throw new AppError("invalid", `A namespace is given as team/namespace, not \`${text}\`.`);
  return { team, namespace };
}

export function namespacePath({ team, namespace }: Place): string {
  return `/namespaces/${encodeURIComponent(team)}/${encodeURIComponent(namespace)}`;
}

/** The app that was named, else the one of this repository. */
export function appName(named: string | undefined, where: Place): string {
  const app = named ?? where.app;
  if (app === undefined) throw new AppError("invalid", "Which app? Name it, or stand in a repository made known by plim init.");
  return app;
}

/** The first line of a file, or of standard input for `-`: how a secret is given without showing up in the shell's history. */
export async function readValue(source: string): Promise<string> {
  const text = await readFile(source === "-" ? "/dev/stdin" : source, "utf8");
  return text.replace(/\r?\n$/, "");
}
