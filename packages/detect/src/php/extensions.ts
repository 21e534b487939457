import { textsOf } from "../files.ts";
import { run } from "../recipe.ts";

/** What an extension is compiled with, of Debian; those of most frameworks need nothing. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  bcmath: [],
  calendar: [],
  exif: [],
  gd: ["libpng-dev", "libjpeg-dev", "libfreetype-dev"],
  gettext: [],
  gmp: ["libgmp-dev"],
  intl: ["libicu-dev"],
  mysqli: [],
  pcntl: [],
  pdo_mysql: [],
  pdo_pgsql: ["libpq-dev"],
  pgsql: ["libpq-dev"],
  soap: ["libxml2-dev"],
  sockets: [],
  xsl: ["libxslt1-dev"],
  zip: ["libzip-dev"],
};
/** A framework is as good as never used without its database, and does not say which: both are cheap. */
const OF_FRAMEWORKS = ["pdo_mysql", "pdo_pgsql"];
const FRAMEWORKS = ["laravel/framework", "symfony/framework-bundle"];

/** Extensions that composer.json asks for (`ext-intl`) and that the image does not have; what we do not know is for Composer to refuse. */
export function extensionsOf(composer: Readonly<Record<string, unknown>>): readonly string[] {
  const packages = textsOf(composer.require);
  const asked = Object.keys(packages).flatMap((name) => (name.startsWith("ext-") ? [name.slice(4).toLowerCase()] : []));
  const more = FRAMEWORKS.some((name) => packages[name] !== undefined) ? OF_FRAMEWORKS : [];
  return [...new Set([...asked, ...more])].filter((name) => Object.hasOwn(LIBRARIES, name)).sort();
}

export function installExtensions(extensions: readonly string[]): readonly string[] {
  if (extensions.length === 0) return [];
  const libraries = [...new Set(extensions.flatMap((name) => LIBRARIES[name] ?? []))];
  const configure = extensions.includes("gd") ? "docker-php-ext-configure gd --with-freetype --with-jpeg && " : "";
  return [
    ...(libraries.length === 0
      ? []
      : [`RUN apt-get update && apt-get install -y --no-install-recommends ${libraries.join(" ")} && rm -rf /var/lib/apt/lists/*`]),
    run(`${configure}docker-php-ext-install ${extensions.join(" ")}`),
  ];
}
