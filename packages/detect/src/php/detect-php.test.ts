import { describe, expect, it } from "vitest";
import { type Files, recipeOf, refusalOf } from "../testing/recipe-of.ts";

const json = (value: unknown) => JSON.stringify(value);
const composer = (require: Readonly<Record<string, string>>, more: object = {}): Files => ({ "composer.json": json({ require, ...more }) });

describe("a repository in PHP", () => {
  it.each<[string, Files, string, readonly string[]]>([
    [
      "Laravel with assets that Vite builds",
      {
        ...composer({ php: "^8.2", "laravel/framework": "^11.0", "ext-intl": "*" }),
        "composer.lock": "{}",
        artisan: "",
        "public/index.php": "",
        "package.json": json({ devDependencies: { vite: "6" }, scripts: { build: "vite build" } }),
        "package-lock.json": "{}",
      },
      "a Laravel app",
      [
        "FROM php:8.4-apache AS base\nRUN apt-get update && apt-get install -y --no-install-recommends libicu-dev libpq-dev",
        "docker-php-ext-install intl pdo_mysql pdo_pgsql",
        "COPY --from=composer:2 /usr/bin/composer",
        "COPY composer.json composer.lock ./\nRUN --mount=type=cache,target=/root/.cache/composer composer install --no-dev",
        "FROM node:22 AS assets",
        "COPY --from=assets /app/public/build ./public/build",
        "chown -R 10001:10001 storage/app/public",
        "DocumentRoot /app/public",
        "FallbackResource /index.php",
      ],
    ],
    [
      "Symfony",
      {
        ...composer({ php: ">=8.1 <8.4", "symfony/framework-bundle": "7.*" }, { scripts: { "post-install-cmd": ["@auto-scripts"] } }),
        "public/index.php": "",
      },
      "a Symfony app",
      [
        "FROM php:8.1-apache",
        "ENV APP_ENV=prod",
        "RUN composer run-script --no-dev post-install-cmd",
        "chown -R 10001:10001 var/cache var/log",
      ],
    ],
    ["Slim", { ...composer({ "slim/slim": "4" }), "public/index.php": "" }, "a Slim app", ["DocumentRoot /app/public", "FallbackResource"]],
    [
      "pages without Composer",
      { "index.php": "<?php", "about.php": "", ".php-version": "8.2\n" },
      "a PHP site",
      ["FROM php:8.2-apache AS base", "DocumentRoot /app\n", "RedirectMatch 404", 'CMD ["apache2-foreground"]'],
    ],
    [
      "pages beside a package.json for tools",
      { "index.php": "", "package.json": "{}", "index.js": "" },
      "a PHP site",
      ["FROM php:8.4-apache"],
    ],
    [
      "a version of its platform",
      { ...composer({}, { config: { platform: { php: "8.3.4" } } }), "web/index.php": "" },
      "a PHP site",
      ["FROM php:8.3-apache", "DocumentRoot /app/web"],
    ],
    ["PHP 7", { ...composer({ php: "^7.4" }), "index.php": "" }, "a PHP site", ["FROM php:7.4-apache"]],
    ["one version alone", { ...composer({ php: "8.2.*" }), "index.php": "" }, "a PHP site", ["FROM php:8.2-apache"]],
    ["several versions", { ...composer({ php: "^7.4 || ^8.0" }), "index.php": "" }, "a PHP site", ["FROM php:8.4-apache"]],
  ])("%s", async (_name, files, what, lines) => {
    const found = await recipeOf(files);
    expect(found.what).toBe(what);
    for (const line of lines) expect(found.dockerfile).toContain(line);
    expect(found.dockerfile).toMatch(/^USER 10001:10001$/m);
  });

  it("says why, and why it is Apache", async () => {
    expect((await recipeOf({ "index.php": "" })).because).toEqual([
      "index.php is at its top",
      "Apache serves its directory on PORT, with PHP in it: .htaccess files count, and it is one program",
    ]);
  });

  it("keeps the file that Symfony reads its defaults from, and of no other", async () => {
    const symfony = await recipeOf({ ...composer({ "symfony/runtime": "*" }), "public/index.php": "" });
    expect([symfony.dockerignore, (await recipeOf({ "index.php": "" })).dockerignore].map((text) => text.includes("!.env"))).toEqual([
      true,
      false,
    ]);
  });

  it("says what is missing", async () => {
    expect(await refusalOf(composer({ "monolog/monolog": "3" }))).toContain("no index.php at its top, nor in public/");
  });
});
