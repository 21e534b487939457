import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { basename, join } from "node:path";
import type { Me } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import type { Command } from "commander";
import type { Client } from "../client.ts";
import { openClient } from "../context.ts";

interface InitOptions {
  readonly namespace?: string;
  readonly sshPort: string;
}

export function addInit(program: Command): void {
  program
    .command("init")
    .description("make this repository known: registers your SSH key, adds the git remote `plimsoll`")
    .argument("[app]", "name of the app; default: the folder's name")
    .option("-n, --namespace <team/namespace>", "default: the only one you have")
    .option("--ssh-port <port>", "where git listens", "2222")
    .action(init);
}

async function init(named: string | undefined, options: InitOptions): Promise<void> {
  const top = (await run(["git", "rev-parse", "--show-toplevel"], { okCodes: [0, 128] })).stdout.trim();
  if (top === "") throw new AppError("invalid", "This is no git repository yet: git init && git add . && git commit -m first");
  const client = await openClient();
  const app = named ?? appNameFrom(basename(top));
  const place = options.namespace ?? (await onlyNamespace(client));
  await registerKey(client);
  const url = `ssh://git@${new URL(client.url).hostname}:${options.sshPort}/${place}/${app}.git`;
  const set = await run(["git", "remote", "set-url", "plimsoll", url], { okCodes: [0, 2, 128] });
  if (set.code !== 0) await run(["git", "remote", "add", "plimsoll", url]);
  console.log(`Remote plimsoll is ${url}`);
  if (!existsSync(join(top, "Dockerfile"))) console.log("There is no Dockerfile yet: a push needs one.");
  console.log("Next: git push plimsoll main");
}

/** A folder's name as an app's name: lower case, other characters become -. */
export function appNameFrom(folder: string): string {
  const name = folder
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "")
    .slice(0, 40);
  if (name === "") throw new AppError("invalid", "The folder's name makes no app name; give one: plim init shop");
  return name;
}

async function onlyNamespace(client: Client): Promise<string> {
  const me = await client.get<Me>("/me");
  const places = me.teams.flatMap((team) => team.namespaces.map((namespace) => `${team.name}/${namespace}`));
  if (places.length === 1 && places[0] !== undefined) return places[0];
  throw new AppError("invalid", `Which namespace? plim init --namespace ${places.join(" | ") || "team/namespace"}`);
}

/** Registers the first public key of ~/.ssh; makes one when there is none. A key that is registered already is fine. */
async function registerKey(client: Client): Promise<void> {
  const directory = join(homedir(), ".ssh");
  const candidates = ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"].map((file) => join(directory, file));
  let file = candidates.find((candidate) => existsSync(candidate));
  if (file === undefined) {
    file = join(directory, "id_ed25519.pub");
    await run(["mkdir", "-p", "-m", "700", directory]);
    await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(directory, "id_ed25519")]);
    console.log(`Made an SSH key: ${file}`);
  }
  const publicKey = (await readFile(file, "utf8")).trim();
  try {
    await client.send("POST", "/ssh-keys", { name: hostname(), publicKey });
    console.log(`Registered ${file}`);
  } catch (error) {
    if (!(error instanceof AppError && error.code === "conflict")) throw error;
  }
}
