// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the braces are the Dockerfile's.
import type { Case } from "../case.ts";
import { define } from "./define.ts";

const SITE = {
  "dir/f": "f\n",
  "dir/sub/g": "g\n",
  "dir/run.sh": { content: "#!/bin/sh\n", mode: "755" },
  "dir/dangling": { link: "nowhere" },
  "dir/inner": { link: "sub/g" },
  a: "a\n",
  b: "b\n",
  "with space": "space\n",
  "to-file": { link: "dir/f" },
  "to-dir": { link: "dir" },
} as const;
const files = SITE;
const copy = (name: string, lines: string, features = "COPY") => define(features, `copy: ${name}`, lines, { files });

export const COPY_CASES: readonly Case[] = [
  copy("a file to a new name", "FROM scratch\nCOPY a /b"),
  copy("a file into the root", "FROM scratch\nCOPY a /"),
  copy("a file into a directory that is made", "FROM scratch\nCOPY a /x/y/"),
  copy("a file below directories that are made", "FROM scratch\nCOPY a /x/y/z"),
  copy("a file into a directory that is there, without a slash", "FROM base\nCOPY a /etc"),
  copy("a file with a space, in JSON", 'FROM scratch\nCOPY ["with space", "/to here/"]', "COPY, COPY JSON"),
  copy("JSON with two sources", 'FROM scratch\nCOPY ["a", "b", "/x/"]', "COPY, COPY JSON"),
  copy("JSON that is none falls back to words", "FROM scratch\nCOPY ['a', '/x/']", "COPY, COPY JSON, errors"),
  copy("an executable keeps its mode", "FROM scratch\nCOPY dir/run.sh /run.sh"),
  copy("two files into a directory", "FROM scratch\nCOPY a b /x/"),
  copy("a file twice", "FROM scratch\nCOPY a a /x/"),
  copy("a directory is its contents", "FROM scratch\nCOPY dir /x"),
  copy("a directory is its contents, with slashes", "FROM scratch\nCOPY dir/ /x/"),
  copy("a directory onto the root", "FROM scratch\nCOPY dir /"),
  copy("two directories are merged", "FROM scratch\nCOPY dir dir/sub /x/"),
  copy("a file and a directory", "FROM scratch\nCOPY a dir /x/"),
  copy("everything", "FROM scratch\nCOPY . /x"),
  copy("everything into the root", "FROM scratch\nCOPY . ."),
  copy("the source / is the context", "FROM scratch\nCOPY / /x/"),
  copy("a source with a leading slash", "FROM scratch\nCOPY /a /x/"),
  copy("a source that climbs is clamped", "FROM scratch\nCOPY ../../a /x/"),
  copy("a source that is not clean", "FROM scratch\nCOPY ./dir/../dir/./f /x/"),
  copy("a destination that climbs is clamped", "FROM scratch\nCOPY a /../../b"),
  copy("a destination that is not clean", "FROM scratch\nCOPY a /x/../y//z"),
  copy("a destination that ends with a dot", "FROM scratch\nCOPY a /x/."),
  copy("a relative destination without a WORKDIR", "FROM scratch\nCOPY a x/y"),
  copy("a relative destination in a WORKDIR", "FROM base\nWORKDIR /w/v\nCOPY a b ./", "COPY, WORKDIR"),
  copy("a destination above the WORKDIR", "FROM base\nWORKDIR /w/v\nCOPY a ../up", "COPY, WORKDIR"),
  copy("a dot means the WORKDIR", "FROM base\nWORKDIR /w\nCOPY dir .", "COPY, WORKDIR"),
  copy("a named link to a file is followed", "FROM scratch\nCOPY to-file /x", "COPY, COPY links"),
  copy("a named link to a directory is followed", "FROM scratch\nCOPY to-dir /x", "COPY, COPY links"),
  copy("a path through a link", "FROM scratch\nCOPY to-dir/sub/g /x", "COPY, COPY links"),
  copy("links inside stay links", "FROM scratch\nCOPY dir /y/", "COPY, COPY links"),
  copy("a wildcard's links are followed", "FROM scratch\nCOPY to-f* /x/", "COPY, COPY links, COPY wildcards"),
  copy("a star", "FROM scratch\nCOPY d*/*.sh dir/s* /x/", "COPY, COPY wildcards"),
  copy("a star does not cross directories", "FROM scratch\nCOPY ?ir/[g] a /x/", "COPY, COPY wildcards"),
  copy("a star in the middle of a path", "FROM scratch\nCOPY d*/f /x/", "COPY, COPY wildcards"),
  copy("a question mark", "FROM scratch\nCOPY ? /x/", "COPY, COPY wildcards"),
  copy("a class of characters", "FROM scratch\nCOPY [ab] /x/", "COPY, COPY wildcards"),
  copy("a negated class", "FROM scratch\nCOPY [^a] /x/", "COPY, COPY wildcards"),
  copy("an escaped star is a star", "FROM scratch\nCOPY \\* /x/", "COPY, COPY wildcards, errors"),
  copy("two stars are one", "FROM scratch\nCOPY **.sh d**/f /x/", "COPY, COPY wildcards"),
  copy("a wildcard that meets nothing, beside a file", "FROM scratch\nCOPY a nothing* /x/", "COPY, COPY wildcards"),
  copy("a wildcard that meets directories copies their contents", "FROM scratch\nCOPY d* /x/", "COPY, COPY wildcards"),
  copy("braces are no wildcard", "FROM scratch\nCOPY {a,b} /x/", "COPY, COPY wildcards, errors"),
  define("COPY, COPY wildcards", "copy: a star meets dot files", "FROM scratch\nCOPY * /x/", { files: { ".dot": "d", "x.y": "y" } }),
  define("COPY, COPY wildcards", "copy: an escaped bracket", "FROM scratch\nCOPY [[]x] /y/", { files: { "[x]": "x" } }),
  copy("over a file", "FROM base\nCOPY a /etc/passwd"),
  copy("over a link writes where it leads", "FROM rich\nCOPY a /to-file", "COPY, COPY destination links"),
  copy("into a link to a directory", "FROM rich\nCOPY a /to-dir/", "COPY, COPY destination links"),
  copy("a directory into a link to a directory", "FROM rich\nCOPY dir/sub /to-dir", "COPY, COPY destination links"),
  copy("through a link that climbs", "FROM rich\nCOPY a /up/new", "COPY, COPY destination links"),
  copy("over a dangling link", "FROM rich\nCOPY a /data/dangling", "COPY, COPY destination links"),
  copy("into a directory with a mode of its own", "FROM base\nCOPY a /tmp/"),
  define("COPY", "copy: a directory inside onto one with another mode and owner", "FROM rich\nCOPY tree /", {
    files: { "tree/private/f": "f", "tree/sticky/f": "f" },
  }),
  copy("a directory onto one with another mode", "FROM rich\nCOPY dir /sticky", "COPY"),
  copy("a file over a directory", "FROM base\nCOPY a /x/y\nCOPY dir/sub /d\nCOPY dir/f /d/g", "COPY"),
  copy("over one name of a hard link", "FROM rich\nCOPY a /data/file", "COPY, hard links"),
  copy("the same files twice", "FROM scratch\nCOPY a /x\nCOPY a /y"),
  copy("a newer file over an older", "FROM scratch\nCOPY a /x\nCOPY b /x"),
  define("COPY, whiteouts", "copy: a directory of files over links", "FROM rich\nCOPY data /data", {
    files: { "data/inner": "now a file\n", "data/dangling": "also\n" },
  }),
  define("COPY, whiteouts, errors", "copy: a directory where a file is", "FROM base\nCOPY tree /", { files: { "tree/etc/passwd/x": "x" } }),
  define("COPY, whiteouts, errors", "copy: a file where a directory is", "FROM rich\nCOPY tree /", { files: { "tree/data/sub": "x" } }),
  define("COPY, whiteouts", "copy: a link where a file is", "FROM base\nCOPY tree /", { files: { "tree/etc/passwd": { link: "group" } } }),
  define("COPY, whiteouts, errors", "copy: a link where a directory is", "FROM rich\nCOPY tree /", {
    files: { "tree/data/sub": { link: "empty" } },
  }),
  define("COPY", "copy: names of all kinds", "FROM scratch\nCOPY . /x/", {
    files: { "ü é": "u", "a'b\"c": "q", "-dash": "d", "#hash": "h", $dollar: "$", "semi;colon": "s", "back\\slash": "b", "new\nline": "n" },
  }),
  define("COPY", "copy: an empty file and a large one", "FROM scratch\nCOPY . /x/", {
    files: { empty: "", large: "0123456789abcdef".repeat(20_000), zero: { content: new Uint8Array(70_000) } },
  }),
  define("COPY", "copy: many levels", "FROM scratch\nCOPY a /z", { files: { [`a/${"d/".repeat(40)}f`]: "deep" } }),
  copy("a file that is not there", "FROM scratch\nCOPY nothing /x", "COPY, errors"),
  copy("one of two files that is not there", "FROM scratch\nCOPY a nothing /x/", "COPY, errors"),
  copy("two files to one name", "FROM scratch\nCOPY a b /x", "COPY, errors"),
  copy("a wildcard of two files to one name", "FROM scratch\nCOPY [ab] /x", "COPY, COPY wildcards, errors"),
  copy("one operand", "FROM scratch\nCOPY a", "COPY, errors"),
  copy("no operand", "FROM scratch\nCOPY", "COPY, errors"),
  copy("an unknown flag", "FROM scratch\nCOPY --nothing=1 a /x", "COPY, errors"),
  copy("a flag twice", "FROM scratch\nCOPY --chown=1 --chown=2 a /x", "COPY, COPY --chown, errors"),
  copy("a flag after a source is a source", "FROM scratch\nCOPY a --chown=1 /x/", "COPY, errors"),
  copy("a bad pattern", "FROM scratch\nCOPY [a /x/", "COPY, COPY wildcards, errors"),
];

const chown = (name: string, lines: string) => define("COPY, COPY --chown", `copy --chown: ${name}`, lines, { files });
const chmod = (name: string, lines: string) => define("COPY, COPY --chmod", `copy --chmod: ${name}`, lines, { files });

export const COPY_OWNER_CASES: readonly Case[] = [
  chown("a number is user and group", "FROM scratch\nCOPY --chown=7 a /x"),
  chown("user and group by number", "FROM scratch\nCOPY --chown=7:8 a /x"),
  chown("a directory with all below, made parents too", "FROM scratch\nCOPY --chown=7:8 dir /x/y"),
  chown("a name of the image", "FROM base\nCOPY --chown=app a /x"),
  chown("names of user and group", "FROM base\nCOPY --chown=app:other a /x"),
  chown("a name and a number", "FROM base\nCOPY --chown=app:55 a /x"),
  chown("a number and a name", "FROM base\nCOPY --chown=55:other a /x"),
  chown("a number that has a name", "FROM base\nCOPY --chown=1000 a /x"),
  chown("an existing directory keeps its owner", "FROM base\nCOPY --chown=7:8 dir/sub /etc"),
  chown("variables", "FROM base\nARG WHO=app\nCOPY --chown=${WHO}:${WHO:+other} a /x"),
  chown("an unknown user", "FROM base\nCOPY --chown=nobody-here a /x"),
  chown("a name without a passwd file", "FROM scratch\nCOPY --chown=app a /x"),
  chown("a name from a file of an earlier step", "FROM scratch\nCOPY etc /etc\nCOPY --chown=me:us etc/passwd /x"),
  chown("links have owners", "FROM scratch\nCOPY --chown=7:8 dir /x/"),
  chmod("three digits", "FROM scratch\nCOPY --chmod=600 a /x"),
  chmod("four digits", "FROM scratch\nCOPY --chmod=0755 a /x"),
  chmod("set-id bits", "FROM scratch\nCOPY --chmod=6755 a /x"),
  chmod("the sticky bit", "FROM scratch\nCOPY --chmod=1644 a /x"),
  chmod("directories with all below", "FROM scratch\nCOPY --chmod=750 dir /x/y"),
  chmod("with an owner", "FROM scratch\nCOPY --chmod=4711 --chown=7:8 dir/run.sh /x"),
  chmod("zero", "FROM scratch\nCOPY --chmod=0 a /x"),
  chmod("no mode", "FROM scratch\nCOPY --chmod=rwx a /x"),
  chmod("digits that are not octal", "FROM scratch\nCOPY --chmod=789 a /x"),
].map((one) =>
  one.name.includes("earlier step")
    ? { ...one, files: { "etc/passwd": "me:x:42:43::/:/bin/sh\n", "etc/group": "us:x:44:\n" } }
    : one.name.includes("unknown") ||
        one.name.includes("without a passwd") ||
        one.name.includes("no mode") ||
        one.name.includes("not octal")
      ? { ...one, features: [...one.features, "errors"] }
      : one,
);

const from = (name: string, lines: string, more = "COPY --from") => define(`COPY, ${more}`, `copy --from: ${name}`, lines, { files });

export const COPY_FROM_CASES: readonly Case[] = [
  from("a stage by name", "FROM base AS one\nRUN echo x > /x\nFROM scratch\nCOPY --from=one /x /y"),
  from("a stage by number", "FROM base\nRUN echo x > /x\nFROM scratch\nCOPY --from=0 /x /y"),
  from("the number of a stage that has a name", "FROM base AS one\nRUN echo x > /x\nFROM scratch\nCOPY --from=0 /x /y"),
  from("a name in another case", "FROM scratch AS One\nCOPY a /x\nFROM scratch\nCOPY --from=oNE /x /y", "COPY --from, FROM AS"),
  from("an image", "FROM scratch\nCOPY --from=rich /names /y"),
  from("an image with owners and set-id bits", "FROM scratch\nCOPY --from=rich /data/setuid /data/setgid /private /y/"),
  from("extended attributes and capabilities", "FROM scratch\nCOPY --from=rich /data/file /data/owned /y/", "COPY --from, xattrs"),
  from("hard links", "FROM scratch\nCOPY --from=rich /data /y", "COPY --from, hard links"),
  from("a fifo", "FROM scratch\nCOPY --from=rich /special/pipe /y"),
  from("a named link to a file", "FROM scratch\nCOPY --from=rich /to-file /y", "COPY --from, COPY links"),
  from("a named link to a directory", "FROM scratch\nCOPY --from=rich /to-dir /y", "COPY --from, COPY links"),
  from("a link that climbs", "FROM scratch\nCOPY --from=rich /up /y", "COPY --from, COPY links"),
  from("a path through a link", "FROM scratch\nCOPY --from=rich /to-dir/sub/deep/leaf /y", "COPY --from, COPY links"),
  from("a directory with a mode of its own", "FROM scratch\nCOPY --from=rich /sticky /private /y/"),
  from("directories with modes of their own below", "FROM scratch\nCOPY --from=rich /data /y/\nCOPY --from=rich /names /data/sub /z/"),
  from("wildcards", "FROM scratch\nCOPY --from=rich /names/*.txt /y/", "COPY --from, COPY wildcards"),
  from("a wildcard with an escape", "FROM scratch\nCOPY --from=rich /names/[[]x] /y/", "COPY --from, COPY wildcards"),
  from("an empty directory", "FROM scratch\nCOPY --from=rich /data/empty /y/z"),
  from("with another owner", "FROM scratch\nCOPY --from=rich --chown=3:4 /data /y", "COPY --from, COPY --chown"),
  from("with another mode", "FROM scratch\nCOPY --from=rich --chmod=711 /names /y", "COPY --from, COPY --chmod"),
  from("an owner's name is of the destination", "FROM scratch AS s\nCOPY a /x\nFROM base\nCOPY --from=s --chown=app /x /y", "COPY --chown"),
  from("relative sources are of the root", "FROM base AS s\nWORKDIR /w\nRUN echo w > f && echo r > /f\nFROM scratch\nCOPY --from=s f /y"),
  from("a stage's deletions", 'FROM rich AS s\nRUN ["/x"]\nFROM scratch\nCOPY a /y', "FROM unreached"),
  from(
    "a file that a later step of the stage took away",
    "FROM base AS s\nRUN echo 1 > /x\nRUN rm /x\nFROM scratch\nCOPY --from=s /x /y",
    "errors",
  ),
  from(
    "a directory of several layers",
    "FROM base AS s\nRUN mkdir /d && echo 1 > /d/1 && echo 2 > /d/2\nRUN rm /d/1 && echo 3 > /d/3\nFROM scratch\nCOPY --from=s /d /d",
  ),
  from("a chain of stages", "FROM scratch AS a\nCOPY a /1\nFROM a AS b\nCOPY b /2\nFROM scratch\nCOPY --from=b / /all/"),
  from(
    "two stages side by side",
    "FROM scratch AS a\nCOPY a /1\nFROM scratch AS b\nCOPY b /1\nFROM scratch\nCOPY --from=a /1 /a\nCOPY --from=b /1 /b",
  ),
  from("a stage below", "FROM scratch\nCOPY --from=1 /x /y\nFROM scratch\nCOPY a /x", "errors"),
  from("a number of no stage", "FROM scratch\nCOPY --from=7 /x /y", "errors"),
  from("a variable", "ARG WHERE=base\nFROM scratch\nARG WHERE\nCOPY --from=$WHERE /etc/passwd /y", "errors"),
  from("an empty name", "FROM base\nCOPY --from= a /y", "COPY --from"),
  from("a file that is not there", "FROM scratch\nCOPY --from=base /nothing /y", "errors"),
  from(
    "a name given twice: the last one above",
    "FROM scratch AS s\nCOPY a /x\nFROM scratch AS s\nCOPY b /x\nFROM scratch\nCOPY --from=s /x /y",
    "FROM AS",
  ),
];
