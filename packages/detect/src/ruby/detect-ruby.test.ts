import { describe, expect, it } from "vitest";
import { PORT } from "../recipe.ts";
import { type Files, recipeOf, refusalOf } from "../testing/recipe-of.ts";

const RAILS: Files = {
  Gemfile: 'source "https://rubygems.org"\nruby "~> 3.2"\ngem "rails", "~> 7.1"\ngem "puma"\ngem "pg"\n',
  "Gemfile.lock": "GEM\n  specs:\n    propshaft (1.0.0)\n    puma (6.4.0)\n    rails (7.1.0)\n      railties (= 7.1.0)\n",
  "config.ru": "",
  "config/application.rb": "",
  "config/puma.rb": 'port ENV.fetch("PORT", 3000)\n',
  "app/assets/a.css": "",
};
const gems = (...names: readonly string[]) => names.map((name) => `gem "${name}"\n`).join("");

describe("a repository with a Gemfile", () => {
  it.each<[string, Files, string, readonly string[]]>([
    [
      "Rails with assets and a database",
      RAILS,
      "a Rails app",
      [
        "FROM ruby:3.2 AS build",
        "BUNDLE_DEPLOYMENT=1 BUNDLE_WITHOUT=development:test",
        "COPY Gemfile Gemfile.lock ./\nRUN --mount=type=cache,target=/root/.bundle/cache",
        "SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=only-for-the-build bundle exec rails assets:precompile",
        "chown -R 10001:10001 tmp log storage",
        "FROM ruby:3.2-slim\nRUN apt-get update && apt-get install -y --no-install-recommends libpq5",
        'CMD ["bundle", "exec", "puma"]',
      ],
    ],
    [
      "Rails with assets that Node builds",
      { ...RAILS, "package.json": '{"engines":{"node":"24"}}', "yarn.lock": "# yarn lockfile v1\n" },
      "a Rails app",
      ["COPY --from=node:24 /usr/local/bin/node", "yarn install --frozen-lockfile", "assets:precompile\nRUN rm -rf node_modules"],
    ],
    [
      "Rails as an API, Puma without a configuration",
      { Gemfile: gems("rails", "puma"), "config/application.rb": "", ".ruby-version": "ruby-3.4.1\n" },
      "a Rails app",
      ["FROM ruby:3.4 AS build", "COPY Gemfile .ruby-version ./", `CMD exec bundle exec puma --port "${PORT}"`],
    ],
    [
      "Sinatra with config.ru",
      { Gemfile: gems("sinatra", "webrick"), "config.ru": "", ".tool-versions": "ruby 3.1.2\n" },
      "a Sinatra app",
      ["FROM ruby:3.1 AS build", `CMD exec bundle exec rackup --host 0.0.0.0 --port "${PORT}"`],
    ],
    [
      "Sinatra in one file",
      { Gemfile: gems("sinatra", "puma"), "app.rb": 'require "sinatra"\nget("/") { 1 }\n' },
      "a Sinatra app",
      ["FROM ruby:3.3 AS build", `CMD exec bundle exec ruby app.rb -o 0.0.0.0 -p "${PORT}"`],
    ],
    ["Rack with Unicorn", { Gemfile: gems("unicorn"), "config.ru": "" }, "a Rack app", [`unicorn --listen "0.0.0.0:${PORT}"`]],
    [
      "gems that are directories of the repository",
      { Gemfile: 'gem "puma"\ngem "own", path: "lib/own"\n', "config.ru": "" },
      "a Rack app",
      ["COPY . .\nRUN --mount=type=cache"],
    ],
    [
      "gems that the repository brings",
      { Gemfile: gems("puma"), "config.ru": "", "vendor/cache/a.gem": "" },
      "a Rack app",
      ["COPY . .\nRUN --mount"],
    ],
    [
      "a program",
      { Gemfile: 'ruby ">= 3.0"\n', "main.rb": "" },
      "a Ruby program",
      ["FROM ruby:3.3 ", 'CMD ["bundle", "exec", "ruby", "main.rb"]'],
    ],
    [
      "Jekyll",
      { Gemfile: gems("jekyll"), "_config.yml": "", "index.html": "" },
      "a Jekyll site",
      ["RUN bundle exec jekyll build", "COPY --from=build /app/_site ./", 'CMD ["serve"'],
    ],
  ])("%s", async (_name, files, what, lines) => {
    const found = await recipeOf(files);
    expect(found.what).toBe(what);
    for (const line of lines) expect(found.dockerfile).toContain(line);
    expect(found.dockerfile).toMatch(/^USER (node|10001:10001)$/m);
  });

  it("says why, and which file asked for which Ruby", async () => {
    expect((await recipeOf(RAILS)).because).toEqual(["it depends on rails", "Gemfile.lock has its gems", "Gemfile asks for Ruby 3.2"]);
  });

  it("does not count a package.json that no gem builds from", async () => {
    const found = await recipeOf({ Gemfile: gems("rails", "puma"), "config/application.rb": "", "package.json": "{}" });
    expect(found.because).toEqual(["it depends on rails", "Gemfile has its gems"]);
    expect(found.dockerfile).not.toMatch(/node|precompile/);
  });

  it.each<[Files, string]>([
    [{ Gemfile: gems("rack"), "config.ru": "" }, "its Gemfile has no server; add the gem puma"],
    [{ Gemfile: "" }, "neither config.ru nor Rails' config/application.rb, and none of app.rb"],
    // Its tools are in Ruby, and it is not.
    [{ Gemfile: gems("fastlane"), "package.json": "{}", "index.js": "" }, "a Node program"],
  ])("says what is missing: %j", async (files, message) => {
    expect(await refusalOf(files)).toContain(message);
  });
});
