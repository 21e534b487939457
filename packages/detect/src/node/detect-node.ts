import type { ProjectFiles } from "../files.ts";
import { dockerfile, dockerignore, type Finding, words } from "../recipe.ts";
import { serveStage } from "../static-server.ts";
import { bunItself, type Install, installOf } from "./install.ts";
import { type NodePackage, readPackage } from "./package.ts";

const IGNORED = ["node_modules", "npm-debug.log*", ".next", ".nuxt", ".output", ".cache", "coverage"];
/** Files that are a program of their own where nothing else says how to begin. */
const ENTRIES = [
  "server.js",
  "index.js",
  "app.js",
  "main.js",
  "server.mjs",
  "index.mjs",
  "app.mjs",
  "src/index.js",
  "src/server.js",
  "src/app.js",
];

/** What Bun runs as it is. */
const BUN_ENTRIES = ["index.ts", "server.ts", "app.ts", "src/index.ts", "src/server.ts", "src/app.ts", "index.tsx", "src/index.tsx"];

/** A program with package.json: what it is by its dependencies, how it begins by its scripts. */
export async function detectNode(files: ProjectFiles): Promise<Finding | undefined> {
  const project = await readPackage(files);
  if (project === undefined) return undefined;
  const install = installOf(project);
  const has = (name: string) => project.dependencies[name] !== undefined;
  const found = (what: string, because: string, text: string): Finding => ({
    kind: "recipe",
    recipe: { what, because: reasons(project, because), dockerfile: text, dockerignore: dockerignore(...IGNORED) },
  });
  const dependsOn = (name: string) => `package.json depends on ${name}`;

  if (has("next")) {
    const config = (await textOf(files, ["next.config.js", "next.config.mjs", "next.config.ts"])) ?? "";
    const output = /output\s*:\s*["'](export|standalone)["']/.exec(config)?.[1];
    if (output === "export") return found("a Next.js site", `${dependsOn("next")}, exported as files`, site(project, install, "out"));
    if (output === "standalone")
      return found("a Next.js app", `${dependsOn("next")}, built as standalone`, standaloneNext(project, install));
    return found("a Next.js app", dependsOn("next"), server(project, install, { build: "build", cmd: words("next", "start") }));
  }
  const remix = ["@remix-run/serve", "@react-router/serve"].find(has);
  if (remix !== undefined) {
    const program = remix === "@remix-run/serve" ? "remix-serve" : "react-router-serve";
    const cmd = startCommand(project) ?? words(program, "./build/server/index.js");
    return found("a Remix app", dependsOn(remix), server(project, install, { build: "build", cmd }));
  }
  if (has("@nestjs/core")) {
    const cmd = plainCommand(project.scripts["start:prod"]) ?? words("node", "dist/main.js");
    return found("a Nest app", dependsOn("@nestjs/core"), server(project, install, { build: "build", cmd }));
  }
  const builder = has("vite") ? "vite" : has("react-scripts") ? "react-scripts" : undefined;
  // Vite beside a program of its own is that program's; what react-scripts starts is for developers.
  if (
    builder !== undefined &&
    project.scripts.build !== undefined &&
    (builder === "react-scripts" || project.scripts.start === undefined)
  ) {
    const config = (await textOf(files, ["vite.config.ts", "vite.config.js", "vite.config.mjs"])) ?? "";
    const out = builder === "vite" ? (/outDir\s*:\s*["']\.?\/?([\w./-]+)["']/.exec(config)?.[1] ?? "dist") : "build";
    const what = builder === "vite" ? "a Vite site" : "a React site";
    return found(what, `${dependsOn(builder)} and starts no program`, site(project, install, out));
  }

  const framework = ["express", "fastify", "koa", "hono", "@hapi/hapi"].find(has);
  const cmd = startCommand(project) ?? (await entryCommand(files, project));
  const what =
    framework === undefined
      ? cmd !== undefined && runsOnBun(cmd)
        ? "a Bun program"
        : "a Node program"
      : framework === "express"
        ? "an Express app"
        : `a ${title(framework)} app`;
  if (cmd === undefined)
    return { kind: "unclear", what, missing: 'package.json has no "start" script, no "main", and there is no server.js or index.js' };
  const because = framework === undefined ? "there is a package.json" : dependsOn(framework);
  const build = project.scripts.build === undefined ? undefined : "build";
  return found(what, because, server(project, install, build === undefined ? { cmd } : { cmd, build }));
}

/** The file that is a program of its own; Bun's own kinds of files are for Bun. */
async function entryCommand(files: ProjectFiles, { main, manager }: NodePackage): Promise<string | undefined> {
  const isBun = manager.name === "bun";
  const entry = main ?? (await firstFile(files, isBun ? [...BUN_ENTRIES, ...ENTRIES] : ENTRIES));
  return entry === undefined ? undefined : words(isBun ? "bun" : "node", entry);
}

/** Bun has to be where it runs, too. */
function runsOnBun(cmd: string): boolean {
  return /^\["bunx?"/.test(cmd);
}

interface ServerRecipe {
  readonly cmd: string;
  /** The script that makes what is run. */
  readonly build?: string;
}

/** Something that is started: built in one stage, run in another with what production needs. */
function server(project: NodePackage, install: Install, { cmd, build }: ServerRecipe): string {
  const script = build !== undefined && project.scripts[build] !== undefined ? build : undefined;
  if (script === undefined) {
    return dockerfile(
      [...stageWithPackages(project, install, "production", "packages")],
      [
        `FROM node:${project.nodeMajor}-slim`,
        "WORKDIR /app",
        ...environment(),
        runsOnBun(cmd) ? bunItself(project.manager) : undefined,
        "COPY --from=packages /app/node_modules ./node_modules",
        "COPY . .",
        "USER node",
        `CMD ${cmd}`,
      ],
    );
  }
  return dockerfile(
    [...stageWithPackages(project, install, "all", "build"), ...copyRest(project), install.script(script), install.prune],
    [
      `FROM node:${project.nodeMajor}-slim`,
      "WORKDIR /app",
      ...environment(),
      runsOnBun(cmd) ? bunItself(project.manager) : undefined,
      "COPY --from=build --chown=node:node /app ./",
      "USER node",
      `CMD ${cmd}`,
    ],
  );
}

function environment(): readonly string[] {
  return ["ENV NODE_ENV=production PATH=/app/node_modules/.bin:$PATH"];
}

/** Next's own selection of what its server needs. */
function standaloneNext(project: NodePackage, install: Install): string {
  const hasPublic = project.names.includes("public/");
  return dockerfile(
    [...stageWithPackages(project, install, "all", "build"), ...copyRest(project), install.script("build")],
    [
      `FROM node:${project.nodeMajor}-slim`,
      "WORKDIR /app",
      "ENV NODE_ENV=production HOSTNAME=0.0.0.0",
      "COPY --from=build --chown=node:node /app/.next/standalone ./",
      "COPY --from=build --chown=node:node /app/.next/static ./.next/static",
      hasPublic ? "COPY --from=build --chown=node:node /app/public ./public" : undefined,
      "USER node",
      `CMD ${words("node", "server.js")}`,
    ],
  );
}

/** Something that is built to files: every path that is no file is the page itself. */
function site(project: NodePackage, install: Install, directory: string): string {
  return dockerfile(
    [...stageWithPackages(project, install, "all", "build"), ...copyRest(project), install.script("build")],
    serveStage({ nodeMajor: project.nodeMajor, copy: `COPY --from=build /app/${directory} ./`, isOnePage: true }),
  );
}

function stageWithPackages(
  project: NodePackage,
  install: Install,
  which: "all" | "production",
  name: string,
): readonly (string | undefined)[] {
  const files = project.needsFilesToInstall
    ? ["# Installing needs more of the repository than its lists of packages.", "COPY . ."]
    : [install.lists];
  return [`FROM node:${project.nodeMajor} AS ${name}`, "WORKDIR /app", install.tool, ...files, install[which]];
}

function copyRest({ needsFilesToInstall }: NodePackage): readonly string[] {
  return needsFilesToInstall ? [] : ["COPY . ."];
}

/** The start script: without npm in between where it is a plain command, so that signals reach the program itself. */
function startCommand({ scripts, manager }: NodePackage): string | undefined {
  if (scripts.start === undefined) return undefined;
  return plainCommand(scripts.start) ?? words(manager.name, "run", "start");
}

function plainCommand(script: string | undefined): string | undefined {
  const trimmed = script?.trim() ?? "";
  return /^[\w@./:,-]+( [\w@./:=,-]+)*$/.test(trimmed) ? words(...trimmed.split(" ")) : undefined;
}

function reasons({ manager, nodeBecause }: NodePackage, first: string): readonly string[] {
  return [first, manager.because, ...(nodeBecause === undefined ? [] : [nodeBecause])];
}

async function textOf(files: ProjectFiles, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const text = await files.read(path);
    if (text !== undefined) return text;
  }
  return undefined;
}

async function firstFile(files: ProjectFiles, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if ((await files.read(path)) !== undefined) return path;
  return undefined;
}

function title(name: string): string {
  const bare = name.replace(/^@.*\//, "");
  return bare.charAt(0).toUpperCase() + bare.slice(1);
}
