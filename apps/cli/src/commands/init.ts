import { existsSync, realpathSync, statSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { AppError } from "@plimsoll/core/errors";
import { NAME_PATTERN } from "@plimsoll/core/ids";
import { detect } from "@plimsoll/detect";
import type { Client } from "../client.ts";
import type { Run } from "../command.ts";
import { usageError } from "../failure.ts";
import { parseCount } from "../input.ts";
import { type AppPlace, askGit, git, placeName } from "../place.ts";
import { projectFolder } from "../project-folder.ts";
import { registerOwnKey } from "../ssh-keys.ts";

export const init: Run = async (call) => {
  const top = ((await askGit(["rev-parse", "--show-toplevel"], process.cwd())) ?? noRepository()).trim();
  const port = parseCount(call.option("ssh-port") ?? "2222", "--ssh-port", { from: 1, to: 65_535 });
  const directory = call.option("directory") === undefined ? undefined : directoryOf(top, call.option("directory") ?? "");
  const app = call.argument("app") ?? appNameFrom(basename(directory === undefined ? top : join(top, directory)));
  if (!NAME_PATTERN.test(app))
    throw usageError(`An app is named with 1 to 40 of a-z, 0-9 and -, starting with a letter, not \`${app}\`.`, "init");
  const client = await call.client();
  const place = await call.place();
  if (!call.has("no-key")) await registerOwnKey(client, call.note);
  if (directory !== undefined) await setDirectory(client, { ...place, app }, directory);
  // Several apps of one repository have a remote each.
  const remote = directory === undefined ? "plimsoll" : `plimsoll-${app}`;
  const url = `ssh://git@${new URL(client.url).hostname}:${port}/${placeName(place)}/${app}.git`;
  const before = ((await askGit(["remote", "get-url", remote], top)) ?? "").trim();
  if (before === "") await git(["remote", "add", remote, url], { cwd: top });
  else if (before !== url) await git(["remote", "set-url", remote, url], { cwd: top });
  const branch = ((await askGit(["symbolic-ref", "--short", "HEAD"], top)) ?? "main").trim();
  const built = await howBuilt(join(top, directory ?? ""));
  call.show({ remote: url, ...place, app }, () =>
    [
      before === "" || before === url ? `Remote ${remote} is ${url}` : `Remote ${remote} is now ${url} (it was ${before})`,
      ...(directory === undefined ? [] : [`${app} is what is in ${directory === "" ? "the whole repository" : directory}.`]),
      ...built,
      `Next: git push ${remote} ${branch === "main" || branch === "master" ? branch : `${branch}:main`}`,
    ].join("\n"),
  );
};

/** What to know before the first push of a folder without a Dockerfile. */
async function howBuilt(folder: string): Promise<readonly string[]> {
  if (existsSync(join(folder, "Dockerfile"))) return [];
  const detection = await detect(await projectFolder(folder));
  if (detection.kind === "none") return [detection.message];
  return [`No Dockerfile: this is ${detection.recipe.what}, and one is written for it. See it: plim build --explain`];
}

/** A directory that was typed, from the top of the repository; empty for the top itself. */
function directoryOf(top: string, typed: string): string {
  const directory = relative(realpathSync(top), resolve(typed));
  if (directory.startsWith("..")) throw usageError(`${typed} is not in the repository at ${top}.`, "init");
  if (!statSync(resolve(typed), { throwIfNoEntry: false })?.isDirectory()) throw usageError(`There is no directory ${typed}.`, "init");
  return directory;
}

/** Makes the app where it is not there yet: its first push is to be of this directory already. */
async function setDirectory(client: Client, { app, ...place }: AppPlace, directory: string): Promise<void> {
  const found = await client
    .call("GET /api/v1/namespaces/:team/:namespace/apps/:name", { params: { ...place, name: app } })
    .catch((error: unknown) => {
      if (error instanceof AppError && error.code === "not_found") return undefined;
      throw error;
    });
  if (found?.spec.source.kind === "image")
    throw new AppError("precondition_failed", `App ${app} runs an image from a registry; give another name: plim init other --directory …`);
  const { directory: _, ...rest } = found?.spec.source ?? { kind: "git" as const };
  const source = { ...rest, ...(directory === "" ? {} : { directory }) };
  if (found === undefined)
    await client.call("POST /api/v1/namespaces/:team/:namespace/apps", { params: { ...place }, body: { name: app, spec: { source } } });
  else await client.call("PATCH /api/v1/namespaces/:team/:namespace/apps/:app", { params: { ...place, app }, body: { source } });
}

function noRepository(): never {
  throw new AppError("invalid", "This is no git repository yet: git init -b main && git add . && git commit -m first");
}

/** A folder's name as an app's name: lower case, other characters become -. */
export function appNameFrom(folder: string): string {
  const name = folder
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 40)
    .replace(/-+$/, "");
  if (name === "") throw usageError("The folder's name makes no app name; give one: plim init shop", "init");
  return name;
}
