import { firstOf } from "../files.ts";
import { run } from "../recipe.ts";
import type { NodePackage } from "./package.ts";

/** How packages are brought into `/app` of a stage. */
export interface Install {
  /** Before anything: the package manager itself. */
  readonly tool?: string;
  /** Lists of packages, copied before the rest so that they alone decide whether it is installed anew. */
  readonly lists: string;
  /** All packages, those for building too. */
  readonly all: string;
  /** What production needs, instead of all. */
  readonly production: string;
  /** Leaves what production needs of all; undefined where all have to stay. */
  readonly prune?: string;
  /** `npm run`, `pnpm run`. */
  readonly script: (name: string) => string;
}

export function installOf({ manager, names }: NodePackage): Install {
  const lists = (...more: readonly string[]) =>
    `COPY ${["package.json", manager.lockfile, ...more.map((name) => firstOf(names, [name])), firstOf(names, [".npmrc"])].filter((name) => name !== undefined).join(" ")} ./`;
  switch (manager.name) {
    case "npm": {
      const install = manager.lockfile === undefined ? "npm install" : "npm ci";
      const cached = (command: string) => run(command, "/root/.npm");
      return {
        lists: lists(),
        all: cached(install),
        production: cached(`${install} --omit=dev && mkdir -p node_modules`),
        prune: "RUN npm prune --omit=dev && mkdir -p node_modules",
        script: (name) => `RUN npm run ${name}`,
      };
    }
    case "pnpm": {
      const frozen = manager.lockfile === undefined ? "" : " --frozen-lockfile";
      const cached = (command: string) => run(command, "/root/.local/share/pnpm/store");
      return {
        tool: `RUN npm install --global pnpm@${manager.version ?? "10"}`,
        lists: lists("pnpm-workspace.yaml"),
        all: cached(`pnpm install${frozen}`),
        production: cached(`pnpm install --prod${frozen} && mkdir -p node_modules`),
        prune: "RUN CI=true pnpm prune --prod && mkdir -p node_modules",
        script: (name) => `RUN pnpm run ${name}`,
      };
    }
    case "bun": {
      const frozen = manager.lockfile === undefined ? "" : " --frozen-lockfile";
      const cached = (command: string) => run(command, "/root/.bun/install/cache");
      const production = `bun install --production${frozen} && mkdir -p node_modules`;
      return {
        tool: bunItself(manager),
        lists: lists("bunfig.toml"),
        all: cached(`bun install${frozen}`),
        production: cached(production),
        prune: cached(`rm -rf node_modules && ${production.replace("--production", "--production --ignore-scripts")}`),
        script: (name) => `RUN bun run ${name}`,
      };
    }
    case "yarn": {
      const script = (name: string) => `RUN yarn run ${name}`;
      if (manager.berry) {
        const all = run(manager.lockfile === undefined ? "yarn install" : "yarn install --immutable", "/root/.yarn/berry/cache");
        const tool = [
          // Programs are started by node itself, which looks in node_modules; yarn is taken from where packages are.
          "ENV YARN_NODE_LINKER=node-modules COREPACK_NPM_REGISTRY=https://registry.npmjs.org",
          // Official images have another yarn at its place already.
          "RUN npm install --global --force corepack && corepack enable",
        ].join("\n");
        return { tool, lists: lists(".yarnrc.yml"), all, production: all, script };
      }
      const frozen = manager.lockfile === undefined ? "" : " --frozen-lockfile";
      const cached = (command: string) => run(command, "/usr/local/share/.cache");
      const production = `yarn install --production${frozen} && mkdir -p node_modules`;
      return {
        tool: `RUN npm install --global --force yarn@${manager.version ?? "1"}`,
        lists: lists(".yarnrc"),
        all: cached(`yarn install${frozen}`),
        production: cached(production),
        prune: cached(`${production.replace("--production", "--production --ignore-scripts --prefer-offline")}`),
        script,
      };
    }
  }
}

/** From npm, where it is as everywhere: its own image is of another distribution. */
export function bunItself({ name, version }: NodePackage["manager"]): string {
  return run(`npm install --global bun@${name === "bun" ? (version ?? "1") : "1"}`, "/root/.npm");
}
