import { firstOf, type ProjectFiles, readJson, textsOf } from "../files.ts";
import { installOf } from "../node/install.ts";
import { type NodePackage, readPackage } from "../node/package.ts";
import { dockerfile, dockerignore, type Finding, run } from "../recipe.ts";
import { extensionsOf, installExtensions } from "./extensions.ts";
import { phpVersion } from "./version.ts";

const IGNORED = ["vendor", "node_modules", "storage/logs/*", "var/cache", "var/log", ".phpunit.cache", ".phpunit.result.cache"];
/** Where people keep what the web may see. */
const ROOTS = ["public", "web", "htdocs", "public_html", "www", "html"];
const NOBODY = "10001:10001";

interface Site {
  readonly what: string;
  readonly because: string;
  /** Below the app, or empty: all of it is seen. */
  readonly root: string;
  /** What is no file is answered by index.php. */
  readonly hasRouter: boolean;
  /** Directories that it writes to. */
  readonly writes: readonly string[];
  /** After all files are there, in production's environment. */
  readonly finish?: string;
  readonly env?: string;
  readonly keepsEnvFile?: boolean;
}

/** A site in PHP, by composer.json or an index.php: Apache with PHP in it, as .htaccess files, Laravel and Symfony expect. */
export async function detectPhp(files: ProjectFiles): Promise<Finding | undefined> {
  const names = await files.list("");
  const composer = await readJson(files, "composer.json");
  const root = names.includes("index.php") ? "" : await rootOf(files, names);
  if (composer === undefined && root === undefined) return undefined;
  const site = siteOf(names, composer ?? {}, root);
  if (site === undefined)
    return {
      kind: "unclear",
      what: "a PHP program",
      missing: `there is no index.php at its top, nor in ${ROOTS.slice(0, 3).join("/, ")}/`,
    };
  const version = await phpVersion(files, composer ?? {});
  const node = site.what === "a Laravel app" ? await readPackage(files) : undefined;
  const assets = node?.scripts.build === undefined ? undefined : node;
  const because = [
    site.because,
    ...(composer === undefined
      ? []
      : [names.includes("composer.lock") ? "composer.lock has its packages" : "composer.json has its packages"]),
    ...(version.because === undefined ? [] : [version.because]),
    ...(assets === undefined ? [] : ["package.json builds its assets"]),
    `Apache serves ${site.root === "" ? "its directory" : `${site.root}/`} on PORT, with PHP in it: .htaccess files count, and it is one program`,
  ];
  const text = recipe({
    names,
    site,
    version: version.version,
    extensions: extensionsOf(composer ?? {}),
    usesComposer: composer !== undefined,
    assets,
  });
  const ignored = dockerignore(...IGNORED, ...(site.keepsEnvFile === true ? ["!.env"] : []));
  return { kind: "recipe", recipe: { what: site.what, because, dockerfile: text, dockerignore: ignored } };
}

async function rootOf(files: ProjectFiles, names: readonly string[]): Promise<string | undefined> {
  for (const root of ROOTS) if (names.includes(`${root}/`) && (await files.list(root)).includes("index.php")) return root;
  return undefined;
}

function siteOf(names: readonly string[], composer: Readonly<Record<string, unknown>>, root: string | undefined): Site | undefined {
  const packages = textsOf(composer.require);
  const depends = (name: string) => `composer.json requires ${name}`;
  if (packages["laravel/framework"] !== undefined && names.includes("artisan"))
    return {
      what: "a Laravel app",
      because: depends("laravel/framework"),
      root: "public",
      hasRouter: true,
      writes: [
        "storage/app/public",
        "storage/framework/cache/data",
        "storage/framework/sessions",
        "storage/framework/views",
        "storage/logs",
        "bootstrap/cache",
      ],
      env: "APP_ENV=production LOG_CHANNEL=stderr",
    };
  if (root === undefined) return undefined;
  const symfony = ["symfony/framework-bundle", "symfony/runtime"].find((name) => packages[name] !== undefined);
  if (symfony !== undefined && root === "public")
    return {
      what: "a Symfony app",
      because: depends(symfony),
      root,
      hasRouter: true,
      writes: ["var/cache", "var/log"],
      // Its scripts of an installation: they clear the cache and lay out assets. .env has the defaults that it reads, by its own rules.
      ...(textsOf(composer.scripts)["post-install-cmd"] !== undefined ||
      Array.isArray((composer.scripts as Record<string, unknown> | undefined)?.["post-install-cmd"])
        ? { finish: "composer run-script --no-dev post-install-cmd" }
        : {}),
      env: "APP_ENV=prod APP_DEBUG=0",
      keepsEnvFile: true,
    };
  const framework = ["slim/slim", "cakephp/cakephp", "yiisoft/yii2", "codeigniter4/framework", "laminas/laminas-mvc", "mezzio/mezzio"].find(
    (name) => packages[name] !== undefined,
  );
  return {
    what:
      framework === undefined
        ? "a PHP site"
        : `a ${({ "slim/slim": "Slim", "cakephp/cakephp": "CakePHP", "yiisoft/yii2": "Yii", "codeigniter4/framework": "CodeIgniter" } as Record<string, string>)[framework] ?? "Laminas"} app`,
    because: framework === undefined ? `index.php is ${root === "" ? "at its top" : `in ${root}/`}` : depends(framework),
    root,
    // A directory for the web beside one for the program has one entry; a directory of pages has many.
    hasRouter: root !== "",
    writes: [],
  };
}

interface Recipe {
  readonly names: readonly string[];
  readonly site: Site;
  readonly version: string;
  readonly extensions: readonly string[];
  readonly usesComposer: boolean;
  readonly assets: NodePackage | undefined;
}

function recipe({ names, site, version, extensions, usesComposer, assets }: Recipe): string {
  const base = [`FROM php:${version}-apache AS base`, ...installExtensions(extensions), ...apache(site)];
  const env = site.env === undefined ? undefined : `ENV ${site.env}`;
  const write =
    site.writes.length === 0 ? undefined : `RUN mkdir -p ${site.writes.join(" ")} && chown -R ${NOBODY} ${site.writes.join(" ")}`;
  const end = [`USER ${NOBODY}`, 'CMD ["apache2-foreground"]'];
  if (!usesComposer) return dockerfile(base, ["FROM base", "WORKDIR /app", env, "COPY . .", write, ...end]);
  const lists = firstOf(names, ["composer.lock"]) === undefined ? "composer.json" : "composer.json composer.lock";
  const install = assets === undefined ? undefined : installOf(assets);
  return dockerfile(
    base,
    [
      // The same extensions as where it runs: Composer looks whether they are there.
      "FROM base AS packages",
      "RUN apt-get update && apt-get install -y --no-install-recommends git unzip && rm -rf /var/lib/apt/lists/*",
      "COPY --from=composer:2 /usr/bin/composer /usr/local/bin/composer",
      "WORKDIR /app",
      "ENV COMPOSER_ALLOW_SUPERUSER=1 COMPOSER_NO_INTERACTION=1 COMPOSER_CACHE_DIR=/root/.cache/composer",
      env,
      `COPY ${lists} ./`,
      run("composer install --no-dev --prefer-dist --no-scripts --no-autoloader", "/root/.cache/composer"),
      "COPY . .",
      `RUN ${site.writes.length === 0 ? "" : `mkdir -p ${site.writes.join(" ")} && `}composer dump-autoload --no-dev --optimize`,
      site.finish === undefined ? undefined : `RUN ${site.finish}`,
    ],
    ...(assets === undefined || install === undefined
      ? []
      : [
          [
            `FROM node:${assets.nodeMajor} AS assets`,
            "WORKDIR /app",
            install.tool,
            ...(assets.needsFilesToInstall ? ["COPY . ."] : [install.lists]),
            install.all,
            assets.needsFilesToInstall ? undefined : "COPY . .",
            // Styles are often made for what packages' templates use.
            "COPY --from=packages /app/vendor ./vendor",
            install.script("build"),
          ],
        ]),
    [
      "FROM base",
      "WORKDIR /app",
      env,
      "COPY --from=packages /app ./",
      assets === undefined ? undefined : "COPY --from=assets /app/public/build ./public/build",
      write,
      ...end,
    ],
  );
}

/** One site on PORT, for a server that is not root. What must not be seen where all is seen: packages, lists, hidden files. */
function apache({ root, hasRouter }: Site): readonly string[] {
  const directory = root === "" ? "/app" : `/app/${root}`;
  return [
    // What it writes of its own is nobody's, and gone with it.
    "ENV PORT=8080 APACHE_RUN_DIR=/tmp/apache2 APACHE_LOCK_DIR=/tmp/apache2 APACHE_PID_FILE=/tmp/apache2/apache2.pid",
    "RUN a2enmod rewrite && a2disconf other-vhosts-access-log && echo > /etc/apache2/ports.conf",
    "COPY <<'SITE' /etc/apache2/sites-available/000-default.conf",
    "ServerName localhost",
    "ServerTokens Prod",
    'ErrorLog "|/bin/cat"',
    'CustomLog "|/bin/cat" combined',
    `Listen \${PORT}`,
    `<VirtualHost *:\${PORT}>`,
    `  DocumentRoot ${directory}`,
    `  <Directory ${directory}>`,
    "    AllowOverride All",
    "    Require all granted",
    "    DirectoryIndex index.php index.html",
    ...(hasRouter ? ["    FallbackResource /index.php"] : []),
    "  </Directory>",
    ...(root === "" ? [String.raw`  RedirectMatch 404 "(?i)/(\.(?!well-known)|vendor/|composer\.(json|lock)|Procfile)"`] : []),
    "  SetEnvIf X-Forwarded-Proto https HTTPS=on",
    "</VirtualHost>",
    "SITE",
  ];
}
