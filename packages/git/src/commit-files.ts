import { posix } from "node:path";
import { AppError } from "@plimsoll/core";
import type { Git } from "./git-command.ts";
import type { CommitFiles } from "./ports.ts";

/** Larger texts are not read: nothing that people write by hand is. */
const MAX_BYTES = 256 * 1024;
/** Files of a directory that is remembered. */
const MAX_KEPT = 1_000;
/** Of directories listed: enough for any that a person keeps such a file in. */
const MAX_LISTING_BYTES = 4 * 1024 * 1024;

/**
 * The files of a commit. A directory is listed once, however many of its files are asked for at a time; links are no files, and no path of
 * the host is touched.
 */
export function commitFiles(git: Git, repository: string, commit: string): CommitFiles {
  const listings = new Map<string, Promise<ReadonlyMap<string, Blob>>>();
  const list = (directory: string) => {
    const known = listings.get(directory) ?? listDirectory(git, repository, commit, directory);
    listings.set(directory, known);
    const forget = () => listings.delete(directory);
    // One that is large is listed again; so is a directory that could not be asked for, or is of a commit that comes later.
    known.then(({ size }) => (size === 0 || size > MAX_KEPT ? forget() : undefined), forget);
    return known;
  };
  return {
    async read(path) {
      const wanted = posix.normalize(posix.join("/", path)).slice(1);
      const directory = posix.dirname(wanted);
      const found = (await list(directory === "." ? "" : directory)).get(posix.basename(wanted));
      if (found === undefined) return undefined;
      if (found.bytes > MAX_BYTES)
        throw new AppError("invalid", `${wanted} has ${found.bytes} bytes; more than ${MAX_BYTES} are not read.`);
      return (await git(repository, ["cat-file", "blob", found.id])).stdout;
    },
  };
}

interface Blob {
  readonly id: string;
  readonly bytes: number;
}

async function listDirectory(git: Git, repository: string, commit: string, directory: string): Promise<ReadonlyMap<string, Blob>> {
  // `<commit>:<path>` names a tree without any pattern; a directory that is not there is an error of git, code 128.
  const { code, stdout } = await git(repository, ["ls-tree", "-z", "--long", `${commit}:${directory}`], { okCodes: [0, 128] });
  if (code !== 0 || stdout.length > MAX_LISTING_BYTES) return new Map();
  return new Map(
    stdout.split("\0").flatMap((line): [string, Blob][] => {
      const [, id, bytes, name] = /^100\d{3} blob ([0-9a-f]{40}) +(\d+)\t(.+)$/s.exec(line) ?? [];
      return id === undefined || name === undefined ? [] : [[name, { id, bytes: Number(bytes) }]];
    }),
  );
}
