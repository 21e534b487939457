import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { AppError } from "@plimsoll/core/errors";
import { NAME_PATTERN } from "@plimsoll/core/ids";
import type { Run } from "../command.ts";
import { usageError } from "../failure.ts";
import { parseCount } from "../input.ts";
import { git, placeName } from "../place.ts";
import { registerOwnKey } from "../ssh-keys.ts";

export const init: Run = async (call) => {
  const top = (await git(["rev-parse", "--show-toplevel"]).catch(noRepository)).trim();
  const port = parseCount(call.option("ssh-port") ?? "2222", "--ssh-port", { from: 1, to: 65_535 });
  const app = call.argument("app") ?? appNameFrom(basename(top));
  if (!NAME_PATTERN.test(app))
    throw usageError(`An app is named with 1 to 40 of a-z, 0-9 and -, starting with a letter, not \`${app}\`.`, "init");
  const client = await call.client();
  const place = await call.place();
  if (!call.has("no-key")) await registerOwnKey(client, call.note);
  const url = `ssh://git@${new URL(client.url).hostname}:${port}/${placeName(place)}/${app}.git`;
  const before = (await git(["remote", "get-url", "plimsoll"], { cwd: top }).catch(() => "")).trim();
  if (before === "") await git(["remote", "add", "plimsoll", url], { cwd: top });
  else if (before !== url) await git(["remote", "set-url", "plimsoll", url], { cwd: top });
  const branch = (await git(["symbolic-ref", "--short", "HEAD"], { cwd: top }).catch(() => "main")).trim();
  const hasDockerfile = existsSync(join(top, "Dockerfile"));
  call.show({ remote: url, ...place, app }, () =>
    [
      before === "" || before === url ? `Remote plimsoll is ${url}` : `Remote plimsoll is now ${url} (it was ${before})`,
      ...(hasDockerfile ? [] : ["There is no Dockerfile in this folder yet: a push needs one."]),
      `Next: git push plimsoll ${branch === "main" || branch === "master" ? branch : `${branch}:main`}`,
    ].join("\n"),
  );
};

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
