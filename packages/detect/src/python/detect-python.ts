import type { ProjectFiles } from "../files.ts";
import { dockerfile, dockerignore, type Finding, PORT, run, words } from "../recipe.ts";
import { type PythonProject, readPythonProject } from "./project.ts";

const IGNORED = ["__pycache__", "*.pyc", ".venv", "venv", ".pytest_cache", ".mypy_cache"];
const ENTRIES = ["app.py", "main.py", "wsgi.py", "asgi.py", "server.py", "application.py", "run.py"];
/** Nobody's: the image has no account of this number, and needs none. */
const NOBODY = "10001:10001";

interface Program {
  readonly what: string;
  readonly because: string;
  /** What follows CMD. */
  readonly cmd: string;
  /** The server that runs it, installed where the project does not. */
  readonly server?: string;
  readonly collectsStatic?: boolean;
}

/** A program in Python: what it is by its packages, where it begins by its files. */
export async function detectPython(files: ProjectFiles): Promise<Finding | undefined> {
  const project = await readPythonProject(files);
  if (project === undefined) return undefined;
  const program = await programOf(files, project);
  if ("missing" in program) return { kind: "unclear", ...program };
  const because = [program.because, project.because, ...(project.versionBecause === undefined ? [] : [project.versionBecause])];
  return {
    kind: "recipe",
    recipe: { what: program.what, because, dockerfile: recipe(project, program), dockerignore: dockerignore(...IGNORED) },
  };
}

async function programOf(files: ProjectFiles, project: PythonProject): Promise<Program | { what: string; missing: string }> {
  const depends = (name: string) => `it depends on ${name}`;
  if (project.packages.has("django")) {
    const module = await djangoModule(files, project.names);
    const what = "a Django app";
    if (module === undefined)
      return { what, missing: "manage.py is not at its top, or there is no directory with wsgi.py and settings.py" };
    const settings = await djangoSettings(files, module);
    return {
      what,
      because: depends("django"),
      cmd: words("gunicorn", "--workers", "2", `${module}.wsgi`),
      server: "gunicorn",
      collectsStatic: /^[ \t]*STATIC_ROOT[ \t]*=/m.test(settings),
    };
  }
  for (const [name, what, server] of [
    ["fastapi", "a FastAPI app", "uvicorn"],
    ["starlette", "a Starlette app", "uvicorn"],
    ["flask", "a Flask app", "gunicorn"],
  ] as const) {
    if (!project.packages.has(name)) continue;
    const target = await applicationOf(files, project.names, name);
    if (target === undefined)
      return {
        what,
        missing: `no app = ${name === "flask" ? "Flask" : name === "fastapi" ? "FastAPI" : "Starlette"}(…) in ${ENTRIES.slice(0, 4).join(", ")} or in a package of the same names`,
      };
    const cmd =
      server === "gunicorn" ? words("gunicorn", "--workers", "2", target) : `exec uvicorn ${target} --host 0.0.0.0 --port "${PORT}"`;
    return { what, because: depends(name), cmd, server };
  }
  const entry = ENTRIES.find((name) => project.names.includes(name));
  if (entry === undefined)
    return { what: "a Python program", missing: `there is neither Django, Flask nor FastAPI, and none of ${ENTRIES.join(", ")}` };
  return { what: "a Python program", because: `${entry} is there`, cmd: words("python", entry) };
}

/** A file, or the files of a directory of that name. */
async function djangoSettings(files: ProjectFiles, module: string): Promise<string> {
  const names = (await files.list(`${module}/settings`)).filter((name) => name.endsWith(".py")).slice(0, 20);
  const paths = [`${module}/settings.py`, ...names.map((name) => `${module}/settings/${name}`)];
  return (await Promise.all(paths.map(async (path) => (await files.read(path)) ?? ""))).join("\n");
}

async function djangoModule(files: ProjectFiles, names: readonly string[]): Promise<string | undefined> {
  if (!names.includes("manage.py")) return undefined;
  const named = /DJANGO_SETTINGS_MODULE["']\s*,\s*["']([A-Za-z_]\w*)\.settings/.exec((await files.read("manage.py")) ?? "")?.[1];
  for (const directory of [named, ...names.filter((name) => /^[A-Za-z_]\w*\/$/.test(name)).map((name) => name.slice(0, -1))]) {
    if (directory !== undefined && (await files.list(directory)).includes("wsgi.py")) return directory;
  }
  return undefined;
}

/** `main:app`: the module and the name in it that the web framework's application has. */
async function applicationOf(
  files: ProjectFiles,
  names: readonly string[],
  framework: "fastapi" | "starlette" | "flask",
): Promise<string | undefined> {
  const kind = { fastapi: "FastAPI", starlette: "Starlette", flask: "Flask" }[framework];
  const directories = names.filter((name) => /^[A-Za-z_]\w*\/$/.test(name)).slice(0, 20);
  const candidates = [
    ...ENTRIES,
    ...directories.flatMap((directory) => ["__init__.py", ...ENTRIES].map((entry) => `${directory}${entry}`)),
  ];
  for (const path of candidates) {
    const text = path.includes("/") || names.includes(path) ? await files.read(path) : undefined;
    if (text === undefined) continue;
    const module = path.replace(/(\/__init__)?\.py$/, "").replaceAll("/", ".");
    const name = new RegExp(`^([A-Za-z_]\\w*)(?:[ \\t]*:[ \\t]*[\\w.]+)?[ \\t]*=[ \\t]*(?:\\w+\\.)?${kind}\\(`, "m").exec(text)?.[1];
    if (name !== undefined) return `${module}:${name}`;
    if (framework === "flask" && /^def create_app\(/m.test(text)) return `${module}:create_app()`;
  }
  return undefined;
}

function recipe(project: PythonProject, program: Program): string {
  const base = `python:${project.version}-slim`;
  const needsServer = program.server !== undefined && !project.packages.has(program.server);
  const path = "PATH=/venv/bin:$PATH";
  return dockerfile(
    [
      `FROM ${base} AS packages`,
      "WORKDIR /app",
      "RUN python3 -m venv /venv",
      `ENV ${path} PIP_DISABLE_PIP_VERSION_CHECK=1`,
      "# An index of your own: the secret PIP_INDEX_URL; where it has no TLS, PIP_TRUSTED_HOST in build.args.",
      "ARG PIP_TRUSTED_HOST",
      ...installs(project, needsServer ? program.server : undefined),
    ],
    [
      `FROM ${base}`,
      "WORKDIR /app",
      `ENV ${path} PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1`,
      "COPY --from=packages /venv /venv",
      "COPY . .",
      program.collectsStatic === true ? "RUN SECRET_KEY=only-for-the-build python manage.py collectstatic --noinput" : undefined,
      `USER ${NOBODY}`,
      `CMD ${program.cmd}`,
    ],
  );
}

/** The server is installed with pip's packages, so that one fits the others, and comes from where they come from. */
function installs({ manager, names, version, needsFilesToInstall }: PythonProject, server: string | undefined): readonly string[] {
  const more = server === undefined ? "" : ` ${server}`;
  const lists = (...wanted: readonly string[]) =>
    needsFilesToInstall
      ? "# Installing needs more of the repository than its lists of packages.\nCOPY . ."
      : `COPY ${wanted.filter((name) => names.includes(name)).join(" ")} ./`;
  switch (manager) {
    case "pip":
      return [lists("requirements.txt"), pip(`install -r requirements.txt${more}`)];
    case "poetry":
      return [
        ...tool("poetry"),
        lists("pyproject.toml", "poetry.lock"),
        // In the environment that is active: Poetry takes it.
        `ENV VIRTUAL_ENV=/venv POETRY_NO_INTERACTION=1`,
        run("/tool/bin/poetry install --only main --no-root", "/root/.cache"),
        ...(server === undefined ? [] : [pip(`install ${server}`)]),
      ];
    case "uv":
      return [
        ...tool("uv"),
        lists("pyproject.toml", "uv.lock"),
        // The image's Python, whatever .python-version says exactly: one that uv fetched would not be in the next stage.
        `ENV UV_PROJECT_ENVIRONMENT=/venv UV_LINK_MODE=copy UV_PYTHON=${version} UV_PYTHON_DOWNLOADS=never`,
        run(`${index("UV_DEFAULT_INDEX")} /tool/bin/uv sync --frozen --no-dev --no-install-project --inexact`, "/root/.cache"),
        ...(server === undefined ? [] : [pip(`install ${server}`)]),
      ];
    case "list":
      return [
        lists("pyproject.toml"),
        `RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\\n')" > /tmp/requirements.txt`,
        pip(`install -r /tmp/requirements.txt${more}`),
      ];
    case "project":
      return ["COPY . .", pip(`install .${more}`)];
  }
}

/** In an environment of its own: it is not in the image, and what it needs itself never meets what the program needs. */
function tool(name: string): readonly string[] {
  return ["RUN python3 -m venv /tool", pip(`install ${name}`, "/tool/bin/pip")];
}

function pip(command: string, program = "pip"): string {
  return run(`${index("PIP_INDEX_URL")} ${program} ${command}`, "/root/.cache");
}

/** The index of the user's own, with the password that may be in its URL, as a tool is told of it. */
function index(env: string): string {
  return `--mount=type=secret,id=PIP_INDEX_URL,env=${env}`;
}
