import { describe, expect, it } from "vitest";
import { type Files, recipeOf, refusalOf } from "./testing/recipe-of.ts";

const json = (value: unknown) => JSON.stringify(value);
const NPM = { "package-lock.json": "{}" };
const next = (config: string) => ({
  "package.json": json({ dependencies: { next: "15" }, scripts: { build: "next build" } }),
  "next.config.mjs": config,
  ...NPM,
});

describe("what a repository without a Dockerfile is", () => {
  it.each<[string, Files, string, readonly string[]]>([
    [
      "Express with npm, not built",
      { "package.json": json({ dependencies: { express: "5" }, scripts: { start: "node server.js" } }), ...NPM },
      "an Express app",
      ["FROM node:22 AS packages", "COPY package.json package-lock.json ./", "npm ci --omit=dev", 'CMD ["node", "server.js"]', "USER node"],
    ],
    [
      "Fastify with pnpm, built",
      {
        "package.json": json({
          dependencies: { fastify: "5" },
          scripts: { build: "tsc", start: "node dist/server.js" },
          engines: { node: "24.x" },
        }),
        "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
      },
      "a Fastify app",
      [
        "FROM node:24 AS build",
        "npm install --global pnpm@10",
        "pnpm install --frozen-lockfile",
        "RUN pnpm run build",
        "pnpm prune --prod",
      ],
    ],
    [
      "a program without dependencies and without lock file",
      { "package.json": "{}", "index.js": "" },
      "a Node program",
      ["npm install --omit=dev", 'CMD ["node", "index.js"]'],
    ],
    [
      "yarn of the first generation",
      { "package.json": json({ main: "app.js" }), "yarn.lock": "# yarn lockfile v1\n" },
      "a Node program",
      ["yarn@1", "yarn install --production --frozen-lockfile", 'CMD ["node", "app.js"]'],
    ],
    [
      "yarn of today",
      { "package.json": json({ main: "app.js", packageManager: "yarn@4.5.0" }), "yarn.lock": "__metadata:\n", ".yarnrc.yml": "" },
      "a Node program",
      ["corepack enable", "COPY package.json yarn.lock .yarnrc.yml ./", "yarn install --immutable", "YARN_NODE_LINKER=node-modules"],
    ],
    [
      "yarn that the repository brings",
      { "package.json": json({ main: "app.js" }), "yarn.lock": "__metadata:\n", ".yarnrc.yml": "", ".yarn/releases/yarn-4.cjs": "" },
      "a Node program",
      ["COPY . .\nRUN --mount=type=cache,target=/root/.yarn/berry/cache yarn install --immutable"],
    ],
    [
      "Bun, in its own kind of files",
      { "package.json": "{}", "bun.lock": "{}", "src/index.ts": "" },
      "a Bun program",
      [
        "npm install --global bun@1",
        "bun install --production --frozen-lockfile",
        'CMD ["bun", "src/index.ts"]',
        "COPY package.json bun.lock ./",
      ],
    ],
    [
      "Bun for the packages of a program that Node runs",
      { "package.json": json({ scripts: { build: "tsc", start: "node dist/a.js" }, packageManager: "bun@1.2.3" }), "bun.lockb": "" },
      "a Node program",
      ["bun@1.2.3", "RUN bun run build", 'CMD ["node", "dist/a.js"]'],
    ],
    [
      "a start script that needs a shell",
      { "package.json": json({ scripts: { start: "NODE_ENV=x node ." } }), ...NPM },
      "a Node program",
      ['CMD ["npm", "run", "start"]'],
    ],
    [
      "an install script: everything is there before it",
      { "package.json": json({ main: "a.js", scripts: { postinstall: "prisma generate" } }), ...NPM },
      "a Node program",
      ["COPY . .\nRUN --mount=type=cache,target=/root/.npm npm ci --omit=dev"],
    ],
    ["Next.js", next(""), "a Next.js app", ["RUN npm run build", 'CMD ["next", "start"]', "COPY --from=build --chown=node:node /app ./"]],
    ["Next.js, exported", next('export default { output: "export" }'), "a Next.js site", ["COPY --from=build /app/out ./", "--single"]],
    [
      "Next.js, standalone",
      next("export default { output: 'standalone' }"),
      "a Next.js app",
      [".next/standalone", 'CMD ["node", "server.js"]'],
    ],
    [
      "Remix",
      {
        "package.json": json({
          dependencies: { "@remix-run/serve": "2" },
          devDependencies: { vite: "6" },
          scripts: { build: "remix vite:build", start: "remix-serve ./build/server/index.js" },
        }),
        ...NPM,
      },
      "a Remix app",
      ['CMD ["remix-serve", "./build/server/index.js"]'],
    ],
    [
      "Nest",
      {
        "package.json": json({
          dependencies: { "@nestjs/core": "11" },
          scripts: { build: "nest build", start: "nest start", "start:prod": "node dist/main" },
        }),
        ...NPM,
      },
      "a Nest app",
      ['CMD ["node", "dist/main"]', "npm prune --omit=dev"],
    ],
    [
      "Vite",
      {
        "package.json": json({ devDependencies: { vite: "7" }, scripts: { dev: "vite", build: "vite build" } }),
        "vite.config.ts": 'x({ build: { outDir: "./out" } })',
        ...NPM,
      },
      "a Vite site",
      ["COPY --from=build /app/out ./", '"--single"'],
    ],
    [
      "Vite beside a server",
      {
        "package.json": json({
          dependencies: { express: "5" },
          devDependencies: { vite: "7" },
          scripts: { build: "vite build", start: "node server.js" },
        }),
        ...NPM,
      },
      "an Express app",
      ["RUN npm run build", 'CMD ["node", "server.js"]'],
    ],
    [
      "Django",
      {
        "requirements.txt": "Django==5.1\npsycopg[binary]\n",
        "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")',
        "shop/settings.py": "STATIC_ROOT = BASE_DIR / 'static'\n",
        "shop/wsgi.py": "",
      },
      "a Django app",
      ["FROM python:3.11-slim AS packages", "pip install -r requirements.txt gunicorn", "collectstatic", '"shop.wsgi"'],
    ],
    [
      "Flask with Poetry",
      {
        "pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.12"\nflask = "*"\ngunicorn = "*"\n',
        "poetry.lock": "",
        "api/__init__.py": "def create_app():\n  pass\n",
      },
      "a Flask app",
      ["FROM python:3.12-slim", "poetry install --only main --no-root", '"api:create_app()"'],
    ],
    [
      "FastAPI with uv",
      {
        "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.13"\ndependencies = ["fastapi[standard]>=0.1"]\n',
        "uv.lock": "",
        "app/main.py": "app: FastAPI = FastAPI()\n",
      },
      "a FastAPI app",
      [
        "FROM python:3.13-slim",
        "UV_PYTHON=3.13 UV_PYTHON_DOWNLOADS=never",
        "--mount=type=secret,id=PIP_INDEX_URL,env=UV_DEFAULT_INDEX /tool/bin/uv sync --frozen --no-dev",
        "CMD exec uvicorn app.main:app",
      ],
    ],
    [
      "a list of packages that names others",
      {
        "requirements.txt": "-r requirements/base.txt\n./vendor/own\n",
        "requirements/base.txt": "flask\n",
        "app.py": "app = Flask(__name__)",
      },
      "a Flask app",
      ["COPY . .\nRUN --mount=type=cache,target=/root/.cache", "pip install -r requirements.txt"],
    ],
    [
      "packages that are directories of the repository",
      {
        "pyproject.toml": '[project]\nname = "x"\ndependencies = ["fastapi"]\n[tool.uv.sources]\nown = { path = "lib/own" }\n',
        "uv.lock": "",
        "main.py": "app = FastAPI()\n",
      },
      "a FastAPI app",
      ["COPY . .\nENV UV_PROJECT_ENVIRONMENT=/venv"],
    ],
    [
      "a list of packages in pyproject.toml, which says of nothing how it is built",
      {
        "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.12"\ndependencies = ["fastapi"]\n',
        "main.py": "app = FastAPI()\n",
        "migrations/a.py": "",
      },
      "a FastAPI app",
      ["FROM python:3.12-slim", "COPY pyproject.toml ./\nRUN python -c", "pip install -r /tmp/requirements.txt uvicorn"],
    ],
    [
      "a project that pyproject.toml builds",
      {
        "pyproject.toml": '[build-system]\nrequires = ["hatchling"]\n[project]\nname = "x"\ndependencies = ["flask"]\n',
        "app.py": "app = Flask(__name__)",
        ".tool-versions": "nodejs 22.1.0\npython 3.13.2\n",
      },
      "a Flask app",
      ["FROM python:3.13-slim", "COPY . .\nRUN --mount", "pip install . gunicorn"],
    ],
    [
      "Django with a directory of settings",
      {
        "requirements.txt": "django",
        "manage.py": "",
        "site/wsgi.py": "",
        "site/settings/base.py": "STATIC_ROOT = 1\n",
        "site/settings/production.py": "",
      },
      "a Django app",
      ["collectstatic"],
    ],
    ["a Python script", { "requirements.txt": "", "main.py": "" }, "a Python program", ['CMD ["python", "main.py"]']],
    [
      "Go at its top",
      { "go.mod": "module example.com/shop/v2\n\ngo 1.23.1\n", "go.sum": "", "main.go": "package main\n", "templates/a": "" },
      "a Go program",
      ["FROM golang:1.23 AS build", "COPY go.mod go.sum ./", "go mod download", "-o /out/app .", "COPY templates/ ./templates/"],
    ],
    [
      "Go in cmd/",
      {
        "go.mod": "module shop\ngo 1.22\n",
        "cmd/shop/main.go": "package main",
        "cmd/tool/main.go": "package main",
        "vendor/modules.txt": "",
      },
      "a Go program",
      ["./cmd/shop"],
    ],
    [
      "Deno by its task",
      {
        "deno.jsonc": '{ // all of it\n "tasks": { "start": "deno serve main.ts" } }',
        "main.ts": "",
        "deno.lock": "{}",
        "package.json": "{}",
      },
      "a Deno program",
      ["npm install --global deno@2", "deno install --entrypoint main.ts --frozen", 'CMD ["deno", "task", "start"]'],
    ],
    ["Deno by its file", { "deno.json": "{}", "server.ts": "" }, "a Deno program", ['CMD ["deno", "run", "--allow-all", "server.ts"]']],
    [
      "Rust by its src/main.rs",
      { "Cargo.toml": '[package]\nname = "shop"\nversion = "1.0.0"\n', "Cargo.lock": "", "src/main.rs": "", "static/a": "" },
      "a Rust program",
      ["FROM rust:1-trixie AS build", "cargo build --release --locked --bin shop", "FROM debian:trixie-slim", "COPY static/ ./static/"],
    ],
    [
      "Rust with several programs, of which one is said",
      {
        "Cargo.toml": '[package]\nname = "shop"\ndefault-run = "web"\n[[bin]]\nname = "web"\npath = "src/web.rs"\n',
        "src/main.rs": "",
        "src/bin/tool.rs": "",
        "rust-toolchain.toml": '[toolchain]\nchannel = "1.82.0"\n',
      },
      "a Rust program",
      ["FROM rust:1.82-trixie", "--bin web "],
    ],
    ["a site of files", { "index.html": "" }, "a site of files", ["COPY . .", 'CMD ["serve", "--no-clipboard", "--no-port-switching"]']],
    ["a site in public/", { "public/index.html": "" }, "a site of files", ["COPY public ."]],
    [
      "a Python program with a package.json for its tools",
      { "requirements.txt": "flask", "app.py": "app = Flask(__name__)", "package.json": "{}", "index.js": "" },
      "a Flask app",
      ['"app:app"'],
    ],
  ])("%s", async (_name, files, what, lines) => {
    const found = await recipeOf(files);
    expect(found.what).toBe(what);
    for (const line of lines) expect(found.dockerfile).toContain(line);
    expect(found.dockerignore).toContain(".git\n");
    expect(found.because.length).toBeGreaterThan(0);
    expect(found.dockerfile).toMatch(/^USER (node|10001:10001)$/m);
  });

  it.each<[Files, string]>([
    [
      { "README.md": "" },
      "Looked for: go.mod, requirements.txt, pyproject.toml, Cargo.toml, Gemfile, composer.json, index.php, pom.xml, build.gradle, deno.json, package.json, index.html.",
    ],
    [{ "services/api/package.json": "{}" }, "plim init --directory"],
    [{ "mix.exs": "" }, "none is written yet for Elixir, which mix.exs tells of"],
    [{ "package.json": "{}" }, 'looks like a Node program, but how it is run is not to be seen: package.json has no "start" script'],
    [{ "requirements.txt": "flask\n" }, "no app = Flask(…) in app.py"],
    [{ "go.mod": "module x", "cmd/a/main.go": "", "cmd/b/main.go": "" }, "which of cmd/a, cmd/b it is"],
    [{ "Cargo.toml": "[package]\nname = 'a'\n", "src/main.rs": "", "src/bin/b.rs": "" }, "which of a, b it is: say default-run"],
    [{ "Cargo.toml": "[workspace]\nmembers = ['a']\n" }, "is that of a workspace"],
    [{ "Cargo.toml": "[package]\nname = 'a'\n", "src/lib.rs": "" }, "no src/main.rs, and no [[bin]]"],
    [{ "package.json": "{ broken", "index.html": "" }, "a site of files"],
  ])("says what was looked for, or what is missing: %j", async (files, message) => {
    expect(await refusalOf(files)).toContain(message);
    // A line of a push is cut beyond.
    expect((await refusalOf(files)).split("\n")[0]?.length).toBeLessThan(298);
  });
});
