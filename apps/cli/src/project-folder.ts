import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { ifThere } from "@plimsoll/core/errors";
import type { ProjectFiles } from "@plimsoll/detect";
import { askGit } from "./place.ts";

const MAX_TEXT_BYTES = 4 * 1024 * 1024;

/** The files of a folder as a push would bring them: what git ignores is not there. A folder in no repository is taken whole. */
export async function projectFolder(folder: string): Promise<ProjectFiles> {
  const root = resolve(folder);
  const known = await trackedNames(root);
  return {
    async list(directory) {
      if (known !== undefined) return [...(known.get(directory) ?? [])];
      const entries = (await ifThere(readdir(join(root, directory), { withFileTypes: true }))) ?? [];
      return entries.filter(({ name }) => name !== ".git").map((entry) => `${entry.name}${entry.isDirectory() ? "/" : ""}`);
    },
    async read(path) {
      const full = resolve(root, path);
      if (!full.startsWith(root === sep ? sep : `${root}${sep}`)) return undefined;
      const cut = path.lastIndexOf("/");
      if (known !== undefined && known.get(path.slice(0, Math.max(0, cut)))?.has(path.slice(cut + 1)) !== true) return undefined;
      const found = await ifThere(stat(full));
      return found?.isFile() === true && found.size <= MAX_TEXT_BYTES ? readFile(full, "utf8") : undefined;
    },
  };
}

/** Names by directory, of all that git does not ignore; undefined where the folder is in no repository. */
async function trackedNames(root: string): Promise<ReadonlyMap<string, ReadonlySet<string>> | undefined> {
  const listed = await askGit(["ls-files", "-z", "--cached", "--others", "--exclude-standard"], root);
  if (listed === undefined) return undefined;
  const names = new Map<string, Set<string>>();
  for (const path of listed.split("\0")) {
    if (path === "") continue;
    const parts = path.split("/");
    for (const [at, name] of parts.entries()) {
      const directory = parts.slice(0, at).join("/");
      const here = names.get(directory) ?? new Set();
      here.add(at === parts.length - 1 ? name : `${name}/`);
      names.set(directory, here);
    }
  }
  return names;
}
