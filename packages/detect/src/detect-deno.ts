import { firstOf, type ProjectFiles } from "./files.ts";
import { dockerfile, dockerignore, type Finding, run, words } from "./recipe.ts";

const CONFIGS = ["deno.json", "deno.jsonc"];
const ENTRIES = [
  "main.ts",
  "server.ts",
  "mod.ts",
  "index.ts",
  "app.ts",
  "main.js",
  "server.js",
  "src/main.ts",
  "src/server.ts",
  "src/index.ts",
];
const NODE_MAJOR = 22;

/** A program for Deno: its task `start`, or the file that is one by its name. */
export async function detectDeno(files: ProjectFiles): Promise<Finding | undefined> {
  const names = await files.list("");
  const config = firstOf(names, CONFIGS);
  if (config === undefined) return undefined;
  const what = "a Deno program";
  const text = (await files.read(config)) ?? "";
  const hasStart = startTask(text);
  const entry = await firstFile(files, ENTRIES);
  if (!hasStart && entry === undefined)
    return { kind: "unclear", what, missing: `${config} has no task "start", and there is none of ${ENTRIES.slice(0, 4).join(", ")}` };
  // What the program imports is fetched while it is built, so that it starts without a network and as it was built.
  const fetched = entry === undefined ? "deno install" : `deno install --entrypoint ${entry}`;
  const frozen = names.includes("deno.lock") ? " --frozen" : "";
  const recipe = dockerfile([
    `FROM node:${NODE_MAJOR}-slim`,
    // Deno as npm has it: a binary, on the image that the platform has anyway.
    run("npm install --global deno@2", "/root/.npm"),
    "ENV DENO_DIR=/deno DENO_NO_UPDATE_CHECK=1 DENO_NO_PROMPT=1",
    "WORKDIR /app",
    "COPY . .",
    `RUN ${fetched}${frozen} && mkdir -p /deno && chown -R node:node /deno`,
    "USER node",
    `CMD ${hasStart ? words("deno", "task", "start") : words("deno", "run", "--allow-all", entry ?? "")}`,
  ]);
  const because = [`${config} is there`, hasStart ? 'its task "start" runs it' : `${entry} is there`];
  return { kind: "recipe", recipe: { what, because, dockerfile: recipe, dockerignore: dockerignore("node_modules") } };
}

/** Comments are allowed in it: it is looked at, not read. */
function startTask(config: string): boolean {
  const tasks = config.indexOf('"tasks"');
  return tasks >= 0 && /"start"\s*:/.test(config.slice(tasks, tasks + 10_000));
}

async function firstFile(files: ProjectFiles, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if ((await files.read(path)) !== undefined) return path;
  return undefined;
}
