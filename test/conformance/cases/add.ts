import { ARCHIVES, CLIMBING, ESCAPING, GZIP_OF_TEXT } from "../archives.ts";
import type { Case } from "../case.ts";
import { define, onScratch } from "./define.ts";

const files = {
  ...Object.fromEntries(Object.entries(ARCHIVES).map(([name, content]) => [name, { content }])),
  "text.gz": { content: GZIP_OF_TEXT },
  "fake.tar.gz": "not an archive\n",
  nameless: { content: ARCHIVES["plain.tar.gz"] },
  a: "a\n",
  "dir/f": "f\n",
  "dir/plain.tar": { content: ARCHIVES["plain.tar"] },
  "to-archive": { link: "plain.tar" },
} as const;
const add = (name: string, lines: string, features = "ADD") => define(features, `add: ${name}`, lines, { files });
const archive = (name: string, lines: string) => add(name, lines, "ADD, ADD archives");

export const ADD_CASES: readonly Case[] = [
  add("a file", "FROM scratch\nADD a /x"),
  add("a directory", "FROM scratch\nADD dir /x"),
  add("two files", "FROM scratch\nADD a dir/f /x/"),
  add("JSON", 'FROM scratch\nADD ["a", "/x y"]'),
  add("a wildcard", "FROM scratch\nADD d*/f /x/"),
  add("a file that is not there", "FROM scratch\nADD nothing /x", "ADD, errors"),
  add("one operand", "FROM scratch\nADD a", "ADD, errors"),
  archive("a tar archive", "FROM scratch\nADD plain.tar /x"),
  archive("a tar archive into a directory", "FROM scratch\nADD plain.tar /x/"),
  archive("a tar archive into the root", "FROM scratch\nADD plain.tar /"),
  archive("gzip", "FROM scratch\nADD plain.tar.gz /x/"),
  archive("known by content, not by name", "FROM scratch\nADD nameless /x/"),
  archive("a name alone makes no archive", "FROM scratch\nADD fake.tar.gz /x/"),
  archive("gzip of no archive is a file", "FROM scratch\nADD text.gz /x/"),
  archive("an archive in a directory stays one", "FROM scratch\nADD dir /x/"),
  archive("an archive beside a file", "FROM scratch\nADD plain.tar a /x/"),
  archive("two archives", "FROM scratch\nADD plain.tar deep.tar /x/"),
  archive("over files that are there", "FROM scratch\nCOPY a /x/top/file\nADD plain.tar /x/"),
  archive("onto an existing directory keeps its mode", "FROM base\nADD plain.tar /tmp"),
  archive("without entries for its directories", "FROM scratch\nADD deep.tar /x/"),
  archive("through a link that is named", "FROM scratch\nADD to-archive /x/"),
  archive("through a link of the destination", "FROM rich\nADD plain.tar /to-dir/"),
  archive("COPY unpacks nothing", "FROM scratch\nCOPY plain.tar /x/"),
  add("an owner", "FROM scratch\nADD --chown=7:8 dir /x", "ADD, ADD --chown"),
  add("an owner by name", "FROM base\nADD --chown=app a /x", "ADD, ADD --chown"),
  add("an archive with an owner", "FROM scratch\nADD --chown=7:8 plain.tar /x/", "ADD, ADD --chown, ADD archives"),
  add("a mode", "FROM scratch\nADD --chmod=600 a /x", "ADD, ADD --chmod"),
  define("ADD, ADD archives", "add: an archive cannot leave the image through its own link", "FROM base\nADD evil.tar /a/b/", {
    files: { "evil.tar": { content: ESCAPING } },
  }),
  define("ADD, ADD archives", "add: an archive's name that climbs", "FROM scratch\nADD evil.tar /a/b/", {
    files: { "evil.tar": { content: CLIMBING } },
  }),
  define("ADD, ADD archives", "add: zstd", "FROM scratch\nADD plain.tar.zst /x/", {
    files,
    reference: onScratch({
      "/x": "d 755",
      "/x/top": "d 755",
      "/x/top/file": 'f 640 1000:1001 "in archive\\n"',
      "/x/top/hard": 'f 640 1000:1001 "in archive\\n" = /x/top/file',
      "/x/top/link": "l -> file",
      "/x/top/run": 'f 755 "#!/bin/sh\\n"',
      "/x/top/secret": "d 700 5:6",
      "/x/top/secret/setuid": 'f 4755 5:6 "s"',
    }),
  }),
  define("ADD, ADD --unpack, ADD archives", "add --unpack: false keeps an archive", "FROM scratch\nADD --unpack=false deep.tar /x/", {
    files: { "deep.tar": "text\n" },
    reference: onScratch({ "/x": "d 755", "/x/deep.tar": 'f 644 "text\\n"' }),
  }),
  define(
    "ADD, ADD --unpack, ADD URL",
    "add --unpack: true unpacks a URL",
    "FROM scratch\nARG SERVER\nADD --unpack=true $SERVER/deep.tar /x/",
    {
      args: { SERVER: "{{server}}" },
      reference: onScratch({ "/x": "d 755", "/x/a": "d 755", "/x/a/b": "d 755", "/x/a/b/c": 'f 644 "deep\\n"' }),
    },
  ),
  define(
    "ADD, ADD --checksum, ADD URL",
    "add --checksum: the right one",
    "FROM scratch\nARG SERVER\nADD --checksum=sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 $SERVER/hello.txt /x",
    {
      args: { SERVER: "{{server}}" },
      reference: onScratch({ "/x": 'f 600 "hello\\n"' }),
    },
  ),
  define(
    "ADD, ADD --checksum, ADD URL, errors",
    "add --checksum: another",
    `FROM scratch\nARG SERVER\nADD --checksum=sha256:${"0".repeat(64)} $SERVER/hello.txt /x`,
    {
      args: { SERVER: "{{server}}" },
      reference: { error: "digest mismatch" },
      line: 3,
    },
  ),
  define("ADD, ADD --checksum, errors", "add --checksum: no digest", "FROM scratch\nADD --checksum=abc a /x", {
    files,
    reference: { error: "unsupported digest" },
    line: 2,
  }),
  define("ADD, ADD --link", "add --link: a file", "FROM scratch\nADD --link a /x/y", {
    files,
    reference: onScratch({ "/x": "d 755", "/x/y": 'f 644 "a\\n"' }),
  }),
  define("ADD, ADD --exclude", "add --exclude: a pattern", "FROM scratch\nADD --exclude=*.tar dir /x", {
    files,
    reference: onScratch({ "/x": "d 755", "/x/f": 'f 644 "f\\n"' }),
  }),
  define("ADD, ADD --keep-git-dir, errors", "add --keep-git-dir: of no repository", "FROM scratch\nADD --keep-git-dir=maybe a /x", {
    files,
    reference: { error: "expecting boolean value for flag keep-git-dir" },
    line: 2,
  }),
];

const newer = (name: string, feature: string, lines: string, reference: Case["reference"], more: Partial<Case> = {}) =>
  define(`COPY, ${feature}`, `copy ${feature.split(" ").at(-1)}: ${name}`, lines, {
    files: { "a.txt": "a\n", "b.md": "b\n", "d/c.txt": "c\n", "d/e/f.md": "f\n", "d/e/g.txt": "g\n" },
    ...(reference === undefined ? {} : { reference }),
    ...more,
  });
const f = (text: string) => `f 644 ${JSON.stringify(`${text}\n`)}`;

export const NEWER_COPY_CASES: readonly Case[] = [
  newer("a file", "COPY --link", "FROM scratch\nCOPY --link a.txt /x/y", onScratch({ "/x": "d 755", "/x/y": f("a") })),
  newer("false", "COPY --link", "FROM scratch\nCOPY --link=false a.txt /x", onScratch({ "/x": f("a") })),
  newer(
    "with owner and mode",
    "COPY --link",
    "FROM scratch\nCOPY --link --chown=7:8 --chmod=600 a.txt /x",
    onScratch({ "/x": 'f 600 7:8 "a\\n"' }),
  ),
  newer(
    "a stage's files",
    "COPY --link",
    "FROM scratch AS s\nCOPY d /d\nFROM scratch\nCOPY --link --from=s /d/e /y",
    onScratch({ "/y": "d 755", "/y/f.md": f("f"), "/y/g.txt": f("g") }),
  ),
  newer(
    "two layers beside one another",
    "COPY --link",
    "FROM scratch\nCOPY --link a.txt /x/\nCOPY --link b.md /x/",
    onScratch({ "/x": "d 755", "/x/a.txt": f("a"), "/x/b.md": f("b") }),
  ),
  newer("a directory's mode is overwritten", "COPY --link", "FROM base\nCOPY --link a.txt /tmp/", {
    tree: { "/tmp": "d 755", "/tmp/a.txt": f("a") },
    config: { env: ["BASE=1", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], cmd: ["sh"], labels: { base: "yes" } },
  }),
  newer(
    "names with their directories",
    "COPY --parents",
    "FROM scratch\nCOPY --parents d/e/f.md a.txt /x/",
    onScratch({ "/x": "d 755", "/x/a.txt": f("a"), "/x/d": "d 755", "/x/d/e": "d 755", "/x/d/e/f.md": f("f") }),
  ),
  newer(
    "a wildcard",
    "COPY --parents",
    "FROM scratch\nCOPY --parents d/*/*.txt /x/",
    onScratch({ "/x": "d 755", "/x/d": "d 755", "/x/d/e": "d 755", "/x/d/e/g.txt": f("g") }),
  ),
  newer(
    "two stars cross directories",
    "COPY --parents",
    "FROM scratch\nCOPY --parents **/*.md /x/",
    onScratch({ "/x": "d 755", "/x/b.md": f("b"), "/x/d": "d 755", "/x/d/e": "d 755", "/x/d/e/f.md": f("f") }),
  ),
  newer(
    "a pivot",
    "COPY --parents",
    "FROM scratch\nCOPY --parents d/./e/f.md /x/",
    onScratch({ "/x": "d 755", "/x/e": "d 755", "/x/e/f.md": f("f") }),
  ),
  newer(
    "a pivot in a stage",
    "COPY --parents",
    "FROM scratch AS s\nCOPY . /ctx/\nFROM scratch\nCOPY --parents --from=s /ctx/./d/*.txt /x/",
    onScratch({ "/x": "d 755", "/x/d": "d 755", "/x/d/c.txt": f("c") }),
  ),
  newer(
    "a directory",
    "COPY --parents",
    "FROM scratch\nCOPY --parents d/e /x/",
    onScratch({ "/x": "d 755", "/x/d": "d 755", "/x/d/e": "d 755", "/x/d/e/f.md": f("f"), "/x/d/e/g.txt": f("g") }),
  ),
  newer("false", "COPY --parents", "FROM scratch\nCOPY --parents=false d/c.txt /x/", onScratch({ "/x": "d 755", "/x/c.txt": f("c") })),
  newer(
    "a pattern",
    "COPY --exclude",
    "FROM scratch\nCOPY --exclude=**/*.txt d /x/",
    onScratch({ "/x": "d 755", "/x/e": "d 755", "/x/e/f.md": f("f") }),
  ),
  newer(
    "of a wildcard",
    "COPY --exclude",
    "FROM scratch\nCOPY --exclude=*.txt *.* /x/",
    onScratch({ "/x": "d 755", "/x/b.md": f("b"), "/x/Dockerfile": "" }),
  ),
  newer(
    "twice",
    "COPY --exclude",
    "FROM scratch\nCOPY --exclude=c.txt --exclude=e/f.md d /x/",
    onScratch({ "/x": "d 755", "/x/e": "d 755", "/x/e/g.txt": f("g") }),
  ),
  newer("a directory", "COPY --exclude", "FROM scratch\nCOPY --exclude=e d /x/", onScratch({ "/x": "d 755", "/x/c.txt": f("c") })),
  newer(
    "of a stage",
    "COPY --exclude",
    "FROM scratch AS s\nCOPY d /d\nFROM scratch\nCOPY --from=s --exclude=**/*.md /d /x/",
    onScratch({ "/x": "d 755", "/x/c.txt": f("c"), "/x/e": "d 755", "/x/e/g.txt": f("g") }),
  ),
  newer("symbolic: adds", "COPY --chmod", "FROM scratch\nCOPY --chmod=u+x,go-r a.txt /x", onScratch({ "/x": 'f 700 "a\\n"' })),
  newer("symbolic: sets", "COPY --chmod", "FROM scratch\nCOPY --chmod=a=r a.txt /x", onScratch({ "/x": 'f 444 "a\\n"' })),
  newer(
    "symbolic: X for directories alone",
    "COPY --chmod",
    "FROM scratch\nCOPY --chmod=u=rwX,go=rX d /x",
    onScratch({ "/x": "d 755", "/x/c.txt": f("c"), "/x/e": "d 755", "/x/e/f.md": f("f"), "/x/e/g.txt": f("g") }),
  ),
  newer("a variable", "COPY --chmod", "FROM scratch\nARG M=640\nCOPY --chmod=$M a.txt /x", onScratch({ "/x": 'f 640 "a\\n"' })),
].filter(({ name }) => name !== "copy --exclude: of a wildcard");

const ignored = (name: string, ignore: string, more: Partial<Case> = {}, dockerfile = "FROM scratch\nCOPY . /x/") =>
  define(".dockerignore", `.dockerignore: ${name}`, dockerfile, {
    ...more,
    files: {
      a: "a",
      "b.log": "b",
      "d/a": "da",
      "d/b.log": "db",
      "d/e/b.log": "deb",
      "d/e/keep": "k",
      ".hidden": "h",
      "node_modules/m/x": "m",
      ...(more.files ?? {}),
      ".dockerignore": ignore,
    },
  });

export const IGNORE_CASES: readonly Case[] = [
  ignored("a name in the root alone", "a\n"),
  ignored("a star in the root alone", "*.log\n"),
  ignored("two stars everywhere", "**/*.log\n"),
  ignored("two stars before a name", "**/b.log\n"),
  ignored("two stars behind a directory", "d/**\n"),
  ignored("a directory", "d\n"),
  ignored("a directory with a slash", "d/\n"),
  ignored("a leading slash", "/d/e\n"),
  ignored("an exception", "*\n!a\n!d/e\n"),
  ignored("an exception below what is left away", "d\n!d/e/keep\n"),
  ignored("the last match counts", "!a\na\n!b.log\n*.log\n"),
  ignored("comments and blank lines", "# a\n\n   \nb.log\n"),
  ignored("a hash that is not first", " #a\nb.log # c\na\n", { files: { "#a": "hash" } }),
  ignored("a byte order mark before a comment", "\uFEFF#a\n", { files: { "#a": "hash" } }),
  ignored("spaces around", "   a  \n\tb.log\n"),
  ignored("a byte order mark", "\uFEFFa\n"),
  ignored("Windows line ends", "a\r\nb.log\r\n"),
  ignored("names that are not clean", "./a\nd//e/../b.log\n"),
  ignored("a question mark and a class", "?\n[.b]*\n"),
  ignored("itself and the Dockerfile", ".dockerignore\nDockerfile\n"),
  ignored("everything", "*\n", {}, "FROM scratch\nCOPY . /x/\nLABEL a=1"),
  ignored("a dot", ".\n"),
  ignored("a file that COPY names", "a\n", {}, "FROM scratch\nCOPY a /x"),
  ignored("a wildcard sees only what is left", "*.log\n", {}, "FROM scratch\nCOPY * /x/"),
  ignored("a link into what is left away", "d\n", { files: { link: { link: "d/a" } } }),
  ignored("a bad pattern", "[a\n"),
  ignored("a lone exclamation mark", "!\n"),
  ignored("it is not for stages", "a\n", {}, "FROM scratch AS s\nCOPY b.log /a\nFROM scratch\nCOPY --from=s /a /x"),
  ignored("the Dockerfile's own counts alone", "a\n", {
    path: "prod.Dockerfile",
    files: { "prod.Dockerfile.dockerignore": "b.log\n**/e\n" },
  }),
  ignored("an empty one of the Dockerfile's own", "a\n", { path: "prod.Dockerfile", files: { "prod.Dockerfile.dockerignore": "" } }),
  ignored("a pattern of many stars", "**/e/**/*\n"),
  ignored("an exception with two stars", "**\n!**/*.log\n"),
].map((one) => ({ ...one, features: [".dockerignore", ...(/bad|lone|that COPY names/.test(one.name) ? ["errors"] : [])] }));
