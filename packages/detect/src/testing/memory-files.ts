import type { ProjectFiles } from "../files.ts";

/** File contents by path, as a repository's directory. */
export function memoryFiles(files: Readonly<Record<string, string>>): ProjectFiles {
  return {
    async list(directory) {
      const prefix = directory === "" ? "" : `${directory}/`;
      const below = Object.keys(files).filter((path) => path.startsWith(prefix));
      return [...new Set(below.map((path) => path.slice(prefix.length).replace(/\/.*/, "/")))];
    },
    async read(path) {
      return files[path];
    },
  };
}
