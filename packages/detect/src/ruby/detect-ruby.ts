import type { ProjectFiles } from "../files.ts";
import { installOf } from "../node/install.ts";
import { type NodePackage, readPackage } from "../node/package.ts";
import { dockerfile, dockerignore, type Finding, PORT, run, words } from "../recipe.ts";
import { serveStage } from "../static-server.ts";
import { type RubyProject, readRubyProject } from "./gems.ts";

const IGNORED = [".bundle", "vendor/bundle", "log/*", "tmp/*", "coverage", "node_modules", "_site", "config/master.key"];
const ENTRIES = ["app.rb", "main.rb", "server.rb", "web.rb", "application.rb"];
const NOBODY = "10001:10001";
/** Libraries of Debian that gems with native parts are linked with; the large image has all of them, the small one none. */
const LIBRARIES: Readonly<Record<string, string>> = {
  pg: "libpq5",
  mysql2: "libmariadb3",
  sqlite3: "libsqlite3-0",
  psych: "libyaml-0-2",
  "ruby-vips": "libvips42",
};
/** Servers that rackup knows and starts. */
const RACKUP = ["webrick", "thin", "falcon", "iodine"];
const NODE_FOR_FILES = 22;

interface Program {
  readonly what: string;
  readonly because: string;
  /** What follows CMD. */
  readonly cmd: string;
  /** Variables of production. */
  readonly env: string;
  readonly isRails?: boolean;
}

/** A program with a Gemfile: what it is by its gems, how it is started by its server and its files. */
export async function detectRuby(files: ProjectFiles): Promise<Finding | undefined> {
  const project = await readRubyProject(files);
  if (project === undefined) return undefined;
  const jekyll = ["jekyll", "github-pages"].find((name) => project.gems.has(name));
  if (jekyll !== undefined && project.names.includes("_config.yml"))
    return found(project, "a Jekyll site", [`it depends on ${jekyll}`, "_config.yml is there"], jekyllSite(project));
  const program = await programOf(files, project);
  if ("missing" in program) return { kind: "unclear", ...program };
  const hasAssets = program.isRails === true && (await compilesAssets(files, project));
  const node = hasAssets ? await readPackage(files) : undefined;
  const because = [program.because, ...(node === undefined ? [] : ["package.json has packages for its assets"])];
  return found(project, program.what, because, recipe(project, program, hasAssets, node));
}

function found({ ruby, isLocked }: RubyProject, what: string, because: readonly string[], text: string): Finding {
  const all = [
    ...because,
    isLocked ? "Gemfile.lock has its gems" : "Gemfile has its gems",
    ...(ruby.because === undefined ? [] : [ruby.because]),
  ];
  return { kind: "recipe", recipe: { what, because: all, dockerfile: text, dockerignore: dockerignore(...IGNORED) } };
}

async function programOf(files: ProjectFiles, project: RubyProject): Promise<Program | { what: string; missing: string }> {
  const { gems, names } = project;
  const isRails = (gems.has("rails") || gems.has("railties")) && (await files.list("config")).includes("application.rb");
  if (isRails || names.includes("config.ru")) {
    const what = isRails ? "a Rails app" : gems.has("sinatra") ? "a Sinatra app" : gems.has("hanami") ? "a Hanami app" : "a Rack app";
    const cmd = await serverCommand(files, gems, isRails);
    if (cmd === undefined) return { what, missing: "its Gemfile has no server; add the gem puma" };
    const env = isRails
      ? "RAILS_ENV=production RAILS_LOG_TO_STDOUT=1 RAILS_SERVE_STATIC_FILES=1"
      : "RACK_ENV=production APP_ENV=production";
    const because = isRails
      ? "it depends on rails"
      : what === "a Rack app"
        ? "config.ru is there"
        : `config.ru is there, and it depends on ${what.split(" ")[1]?.toLowerCase()}`;
    return { what, because, cmd, env, isRails };
  }
  const entry = ENTRIES.find((name) => names.includes(name));
  if (entry === undefined)
    return {
      what: "a Ruby program",
      missing: `there is neither config.ru nor Rails' config/application.rb, and none of ${ENTRIES.slice(0, 4).join(", ")}`,
    };
  const env = "RACK_ENV=production APP_ENV=production";
  if (gems.has("sinatra") && /^[ \t]*require[ \t(]+["']sinatra["']/m.test((await files.read(entry)) ?? ""))
    return {
      what: "a Sinatra app",
      because: `${entry} is one of Sinatra`,
      cmd: `exec bundle exec ruby ${entry} -o 0.0.0.0 -p "${PORT}"`,
      env,
    };
  return { what: "a Ruby program", because: `${entry} is there`, cmd: words("bundle", "exec", "ruby", entry), env };
}

/** Puma before all others: it is what Rails and most guides go by. */
async function serverCommand(files: ProjectFiles, gems: ReadonlySet<string>, isRails: boolean): Promise<string | undefined> {
  if (gems.has("puma")) {
    const config = (await files.read("config/puma.rb")) ?? (await files.read("puma.rb")) ?? "";
    return /^[^#\n]*\bPORT\b/m.test(config) ? words("bundle", "exec", "puma") : `exec bundle exec puma --port "${PORT}"`;
  }
  if (gems.has("unicorn")) return `exec bundle exec unicorn --listen "0.0.0.0:${PORT}"`;
  if (!RACKUP.some((name) => gems.has(name))) return undefined;
  return isRails
    ? `exec bundle exec rails server --binding 0.0.0.0 --port "${PORT}"`
    : `exec bundle exec rackup --host 0.0.0.0 --port "${PORT}"`;
}

/** Gems are where they are wanted in both stages, and only production's; nobody has a home, and Bundler asks for one. */
function environment({ isLocked }: RubyProject, more?: string): string {
  const deployment = isLocked ? " BUNDLE_DEPLOYMENT=1" : "";
  return `ENV BUNDLE_PATH=/gems${deployment} BUNDLE_WITHOUT=development:test BUNDLE_USER_HOME=/tmp/.bundle LANG=C.UTF-8${more === undefined ? "" : ` ${more}`}`;
}

function gemStage(project: RubyProject, more?: string): readonly string[] {
  const { names, needsFilesToInstall, ruby } = project;
  const lists = ["Gemfile", "Gemfile.lock", ".ruby-version", ".tool-versions"].filter((name) => names.includes(name));
  return [
    `FROM ruby:${ruby.version} AS build`,
    "WORKDIR /app",
    environment(project, more),
    ...(needsFilesToInstall
      ? ["# Installing needs more of the repository than its lists of gems.", "COPY . ."]
      : [`COPY ${lists.join(" ")} ./`]),
    // Archives of gems are kept from build to build, and not in the image.
    run(
      "BUNDLE_GLOBAL_GEM_CACHE=1 BUNDLE_USER_CACHE=/root/.bundle/cache bundle install --jobs 4 && mkdir -p /gems && rm -rf /gems/ruby/*/cache",
      "/root/.bundle/cache",
    ),
  ];
}

/** Gems that make `assets:precompile` a task, and something for it. */
async function compilesAssets(files: ProjectFiles, { gems, names }: RubyProject): Promise<boolean> {
  if (!["sprockets-rails", "sprockets", "propshaft", "shakapacker", "webpacker", "vite_rails"].some((gem) => gems.has(gem))) return false;
  return names.includes("package.json") || (await files.list("app")).includes("assets/");
}

function recipe(project: RubyProject, program: Program, hasAssets: boolean, node: NodePackage | undefined): string {
  const { gems, needsFilesToInstall, ruby } = project;
  const libraries = Object.entries(LIBRARIES).flatMap(([gem, library]) => (gems.has(gem) ? [library] : []));
  const install = node === undefined ? undefined : installOf(node);
  // Before Rails 7.1 a key of its own was asked for, and any did.
  const precompile = "RUN SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=only-for-the-build bundle exec rails assets:precompile";
  const stages: (readonly (string | undefined)[])[] = [
    [
      ...gemStage(project, program.env),
      ...(node === undefined || install === undefined
        ? []
        : [
            `COPY --from=node:${node.nodeMajor} /usr/local/bin/node /usr/local/bin/node`,
            `COPY --from=node:${node.nodeMajor} /usr/local/lib/node_modules /usr/local/lib/node_modules`,
            "RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx",
            install.tool,
            ...(needsFilesToInstall ? [] : node.needsFilesToInstall ? ["COPY . ."] : [install.lists]),
            install.all,
          ]),
      needsFilesToInstall ? undefined : "COPY . .",
      hasAssets ? precompile : undefined,
      node === undefined ? undefined : "RUN rm -rf node_modules",
      // What it writes while it runs.
      program.isRails === true ? `RUN mkdir -p tmp/pids log storage && chown -R ${NOBODY} tmp log storage` : undefined,
    ],
    [
      `FROM ruby:${ruby.version}-slim`,
      libraries.length === 0
        ? undefined
        : `RUN apt-get update && apt-get install -y --no-install-recommends ${libraries.join(" ")} && rm -rf /var/lib/apt/lists/*`,
      "WORKDIR /app",
      environment(project, program.env),
      "COPY --from=build /gems /gems",
      "COPY --from=build /app ./",
      `USER ${NOBODY}`,
      `CMD ${program.cmd}`,
    ],
  ];
  return dockerfile(...stages);
}

function jekyllSite(project: RubyProject): string {
  return dockerfile(
    [...gemStage(project, "JEKYLL_ENV=production"), project.needsFilesToInstall ? undefined : "COPY . .", "RUN bundle exec jekyll build"],
    serveStage({ nodeMajor: NODE_FOR_FILES, copy: "COPY --from=build /app/_site ./", isOnePage: false }),
  );
}
