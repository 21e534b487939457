import { detect, type ProjectFiles } from "@plimsoll/detect";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IgnoreRules } from "../context/ignore.ts";
import { any, inTimeAsync, LONG, odd, share } from "../testing/fuzz.ts";
import { plan } from "../testing/plan.ts";

/** Whatever a repository without a Dockerfile holds: one is written that we read ourselves, or it is said what is missing. */

function filesOf(files: Readonly<Record<string, string>>): ProjectFiles {
  return {
    list: async (directory) => {
      const prefix = directory === "" ? "" : `${directory}/`;
      const below = Object.keys(files).filter((path) => path.startsWith(prefix));
      return [...new Set(below.map((path) => path.slice(prefix.length).replace(/\/.*/s, "/")))];
    },
    read: async (path) => (Object.hasOwn(files, path) ? files[path] : undefined),
  };
}

const name = fc.oneof(any("shop", "a-b", "@a/b", "constructor", "__proto__", "..", "a b", "$(x)", 'a"b', "a\nRUN x"), odd);
const version = any("1", "^3.11", ">=3.9,<4", "22.x", "*", "1.23.1", "latest", "file:../x", "3.99", "-1", "999999999999");
const script = fc.oneof(any("node .", "next start", "bun x.ts", "A=b node .", "tsc", "", "remix-serve ./b.js", "node a.js && x"), odd);
const packages = any("express", "next", "vite", "@nestjs/core", "@remix-run/serve", "flask", "django", "fastapi", "react-scripts", "hono");
const packageJson = fc
  .record(
    {
      name,
      main: fc.oneof(any<unknown>("a.js", "../x", 1, null), name),
      scripts: fc.oneof(any<unknown>(null, 1, []), fc.dictionary(any("build", "start", "start:prod", "postinstall"), script)),
      dependencies: fc.oneof(any<unknown>(null, []), fc.dictionary(packages, version)),
      devDependencies: fc.dictionary(packages, version),
      packageManager: any<unknown>("pnpm@9.1.0", "yarn@4.5.0", "bun@1.2.3", "npm@x", "", 5),
      engines: any<unknown>({ node: ">=18" }, { node: "0.1" }, {}, null, { node: 22 }),
      workspaces: any<unknown>([], {}, undefined),
    },
    { requiredKeys: [] },
  )
  .map((value) => JSON.stringify(value));
const toml = fc
  .array(
    fc.oneof(
      any("[package]", 'name = "a"', "[project]", 'dependencies = ["flask"]', "[tool.poetry.dependencies]", 'python = "^3.12"'),
      any('flask = "*"', "[[bin]]", 'default-run = "b"', "[workspace]", 'requires-python = ">=3.11"', "[tool.uv.sources]"),
      odd,
    ),
    { maxLength: 8 },
  )
  .map((lines) => lines.join("\n"));
const source = fc.oneof(
  any("package main\n", "app = Flask(__name__)\n", "app: FastAPI = FastAPI()\n", "def create_app():\n", "", "STATIC_ROOT = 1\n"),
  odd,
);
const gemfile = fc
  .array(
    fc.oneof(
      any(
        'gem "rails"',
        "gem 'puma', '~> 6'",
        'gem "sinatra"',
        'gem "jekyll"',
        'ruby "3.3.1"',
        'ruby ">= 2.7"',
        'gem "a", path: "b"',
        "    puma (6)",
      ),
      odd.map((text) => `gem "${text}"`),
      odd.map((text) => `ruby "${text}"`),
    ),
    { maxLength: 6 },
  )
  .map((lines) => lines.join("\n"));
const composerJson = fc
  .record(
    {
      require: fc.oneof(
        any<unknown>(null, []),
        fc.dictionary(
          any("php", "laravel/framework", "symfony/framework-bundle", "slim/slim", "ext-gd", "ext-constructor", "ext-a b"),
          version,
        ),
      ),
      config: any<unknown>(null, 1, { platform: { php: "8.3" } }, { platform: null }),
      scripts: any<unknown>(null, [], { "post-install-cmd": "x" }, { "post-install-cmd": ["@a"] }),
    },
    { requiredKeys: [] },
  )
  .map((value) => JSON.stringify(value));
const javaBuild = fc
  .array(
    fc.oneof(
      any(
        "<packaging>jar</packaging>",
        "spring-boot-maven-plugin",
        "<java.version>17</java.version>",
        "<!--",
        "-->",
        "quarkus-maven-plugin",
      ),
      any(
        "<mainClass>a.B</mainClass>",
        "<dependency>",
        "maven-shade-plugin",
        "org.springframework.boot",
        "id 'application'",
        "mainClass = 'a.B'",
      ),
      odd.map((text) => `<mainClass>${text}</mainClass><java.version>${text}</java.version>`),
      odd.map((text) => `mainClass = '${text}'\njvmToolchain(${text})`),
    ),
    { maxLength: 6 },
  )
  .map((lines) => lines.join("\n"));
const file = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(any("Gemfile", "Gemfile.lock"), gemfile) },
  { weight: 3, arbitrary: fc.tuple(any("composer.json"), composerJson) },
  { weight: 3, arbitrary: fc.tuple(any("pom.xml", "build.gradle", "build.gradle.kts"), javaBuild) },
  {
    weight: 3,
    arbitrary: fc.tuple(
      any(".tool-versions", ".ruby-version", ".php-version", ".java-version", ".sdkmanrc", "system.properties", ".python-version"),
      fc.oneof(any("3.3", "8.2\n", "ruby 3.1\njava temurin-17", "java=17-tem", "java.runtime.version=11"), odd),
    ),
  },
  { weight: 4, arbitrary: fc.tuple(any("package.json"), packageJson) },
  { weight: 3, arbitrary: fc.tuple(any("pyproject.toml", "Cargo.toml", "rust-toolchain.toml"), toml) },
  { weight: 2, arbitrary: fc.tuple(any("go.mod"), any("module shop/v2\n\ngo 1.23.1\n", "module x", "go 1.\n", "")) },
  {
    weight: 2,
    arbitrary: fc.tuple(
      any("requirements.txt"),
      any("flask\n", "-r base.txt\n-e .\n", "-r requirements.txt", "Django[x]==5 ; a\n", "--find-links w"),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(any("deno.json", "deno.jsonc", "plimsoll.yaml"), any("{}", '{"tasks":{"start":"x"}}', '"tasks" "start":', "")),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(
      any("package-lock.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "uv.lock", "poetry.lock", "Cargo.lock", ".yarnrc.yml", ".nvmrc"),
      any("{}", "v20", "__metadata:", "lockfileVersion: '6.0'"),
    ),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(
      any(
        "main.go",
        "cmd/shop/main.go",
        "cmd/a b/x.go",
        "src/main.rs",
        "src/bin/b.rs",
        "app.py",
        "main.py",
        "shop/wsgi.py",
        "manage.py",
        "index.html",
        "public/index.html",
        "main.ts",
        "server.js",
        "templates/a",
        "patches/x",
        "config.ru",
        "config/application.rb",
        "app/assets/a.css",
        "app.rb",
        "vendor/cache/a.gem",
        "index.php",
        "public/index.php",
        "artisan",
        "composer.lock",
        "mvnw",
        ".mvn/wrapper/maven-wrapper.properties",
        "gradlew",
        "_config.yml",
      ),
      source,
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.tuple(any("", "cmd/", "src/bin/"), name).map((parts) => parts.join("")),
      source,
    ),
  },
);

describe("a repository without a Dockerfile", () => {
  it("gets one that we read, or is told what is missing", LONG, async () => {
    const kinds = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(file, { maxLength: 7 }), (entries) =>
        inTimeAsync(async () => {
          const found = await detect(filesOf(Object.fromEntries(entries)));
          if (found.kind === "none") {
            expect(found.message).toMatch(/There is no Dockerfile/);
            expect(found.message).toMatch(/Add a Dockerfile|plim init/);
            return;
          }
          kinds.add(found.recipe.what);
          expect(found.recipe.because.every((one) => one.length > 0 && one.length < 300)).toBe(true);
          expect(() => plan(found.recipe.dockerfile)).not.toThrow();
          expect(found.recipe.dockerfile).toMatch(/^USER (?:node|10001:10001)$/m);
          expect(IgnoreRules.parse(found.recipe.dockerignore, ".dockerignore").ignores(".git")).toBe(true);
        }),
      ),
      share(0.1),
    );
    expect(kinds.size).toBeGreaterThan(15);
    for (const of of ["Ra", "PHP", "Java"]) expect([...kinds].join()).toContain(of);
  });

  const many = (text: string) => text.repeat(Math.ceil((512 * 1024) / text.length));
  it.each<[string, string, string]>([
    ["comments that never end", "pom.xml", many("<!--")],
    ["managed dependencies that never end", "pom.xml", `<mainClass>a.B</mainClass>${many("<dependencyManagement>")}`],
    ["a class behind nothing but spaces", "pom.xml", `<mainClass>${many(" ")}`],
    ["a version behind nothing but spaces", "build.gradle", `sourceCompatibility${many(" ")}`],
    ["brackets without an end", "build.gradle.kts", many("id((")],
    ["gems in a line", "Gemfile", `gem ${many("(path")}`],
    ["spaces before a gem", "Gemfile", `${many(" ")}gem`],
    ["rubies", "Gemfile", many("ruby (")],
    ["alternatives", "composer.json", JSON.stringify({ require: { php: many("^8 |") } })],
    [
      "packages",
      "composer.json",
      JSON.stringify({ require: Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`ext-${at}`, "*"])) }),
    ],
    ["tools", ".tool-versions", many("ruby ")],
    ["lists of packages", "requirements.txt", many("-r ")],
  ])("is looked at in no time, whatever is large in it: %s", async (_name, path, text) => {
    const others = { "config.ru": "", "index.php": "", "main.py": "", ...(path === "Gemfile" ? {} : { Gemfile: "" }) };
    await inTimeAsync(() => detect(filesOf({ ...others, [path]: text })));
    await inTimeAsync(() => detect(filesOf({ [path]: text })));
  });
});
