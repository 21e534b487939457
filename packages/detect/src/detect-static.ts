import type { ProjectFiles } from "./files.ts";
import { dockerfile, dockerignore, type Finding } from "./recipe.ts";
import { serveStage } from "./static-server.ts";

const DIRECTORIES = ["public", "site", "dist", "docs", "www"];
const NODE_MAJOR = 22;

/** A site that is only files. */
export async function detectStatic(files: ProjectFiles): Promise<Finding | undefined> {
  for (const directory of ["", ...DIRECTORIES]) {
    if (!(await files.list(directory)).includes("index.html")) continue;
    const copy = directory === "" ? "COPY . ." : `COPY ${directory} .`;
    const text = dockerfile(serveStage({ nodeMajor: NODE_MAJOR, copy, isOnePage: false }));
    const because = [`index.html is ${directory === "" ? "at its top" : `in ${directory}/`}`, "nothing in it is to be built"];
    return { kind: "recipe", recipe: { what: "a site of files", because, dockerfile: text, dockerignore: dockerignore("Procfile") } };
  }
  return undefined;
}
