// biome-ignore-all lint/suspicious/noTemplateCurlyInString: code of the builder.

/** A mistake put into the builder's source: a case must notice it. */
export interface Fault {
  readonly what: string;
  /** Below packages/builder/src. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly find: string;
  readonly replace: string;
  /** The name of a case that fails then. */
  readonly caughtBy: string;
}

const fault = (what: string, file: string, find: string, replace: string, caughtBy: string): Fault => ({
  what,
  file,
  find,
  replace,
  caughtBy,
});

export const FAULTS: readonly Fault[] = [
  fault(
    ":- takes an empty variable as set",
    "dockerfile/words.ts",
    "return isSet ? value : word;",
    "return value ?? word;",
    "expansion: a default, empty",
  ),
  fault(
    ":+ gives the value",
    "dockerfile/words.ts",
    'return isSet ? word : "";',
    'return isSet ? value : "";',
    "expansion: an alternative, set",
  ),
  fault(
    "## is #",
    "dockerfile/words.ts",
    'word.slice(1) : word, operator === "#" ? "start" : "end", longest,',
    'word.slice(1) : word, operator === "#" ? "start" : "end", false,',
    "expansion: the longest prefix",
  ),
  fault(
    "// replaces the first alone",
    "dockerfile/words.ts",
    "replacement, all, this.budget",
    "replacement, false, this.budget",
    "expansion: all are replaced",
  ),
  fault(
    "double quotes keep the backslash of a dollar",
    "dockerfile/words.ts",
    'escaped === \'"\' || escaped === "$" ||',
    "escaped === '\"' ||",
    "expansion: an escaped dollar in double quotes",
  ),
  fault(
    "ENTRYPOINT keeps an inherited CMD",
    "plan/evaluator.ts",
    "cmd: this.cmdIsOurs ? this.config.cmd : []",
    "cmd: this.config.cmd",
    "entrypoint: it clears an inherited CMD",
  ),
  fault(
    "ENTRYPOINT clears every CMD",
    "plan/evaluator.ts",
    "cmd: this.cmdIsOurs ? this.config.cmd : []",
    "cmd: []",
    "entrypoint: it keeps a CMD of the same stage",
  ),
  fault(
    "an ARG's default beats the one given",
    "plan/evaluator.ts",
    "given ?? (value === undefined ? this.globalArgs.get(name) : expandIn(scope, value))",
    "(value === undefined ? (given ?? this.globalArgs.get(name)) : expandIn(scope, value))",
    "arg: given",
  ),
  fault(
    "labels replace the inherited ones",
    "plan/evaluator.ts",
    "{ ...this.config.labels, ...Object.fromEntries(added) }",
    "Object.fromEntries(added)",
    "from: settings of a stage go on",
  ),
  fault(
    "the SHELL is forgotten",
    "plan/evaluator.ts",
    "return this.set({ shell: instruction.argv });",
    "return undefined;",
    "shell: CMD and ENTRYPOINT use it",
  ),
  fault(
    "a port's protocol keeps its capitals",
    "plan/ports.ts",
    '(match[3] ?? "tcp").toLowerCase()',
    '(match[3] ?? "tcp")',
    "expose: a protocol in capitals",
  ),
  fault(
    "of two stages with one name the first counts",
    "plan/stages.ts",
    "if (source.from.name !== undefined) byName.set(source.from.name, index);",
    "if (source.from.name !== undefined && !byName.has(source.from.name)) byName.set(source.from.name, index);",
    "copy --from: a name given twice: the last one above",
  ),
  fault(
    "parents are made 0700",
    "execute/destination.ts",
    "this.make(path, 0o755,",
    "this.make(path, 0o700,",
    "copy: a file below directories that are made",
  ),
  fault(
    "parents are always root's",
    "execute/destination.ts",
    "this.owner ?? { uid: 0, gid: 0 }",
    "{ uid: 0, gid: 0 }",
    "copy --chown: a directory with all below, made parents too",
  ),
  fault(
    "set-id bits are dropped",
    "execute/destination.ts",
    "return this.mode ?? mode & 0o7777;",
    "return this.mode ?? mode & 0o777;",
    "copy --from: an image with owners and set-id bits",
  ),
  fault(
    "a directory that is there keeps its mode",
    "execute/destination.ts",
    "this.setAttributes(path, attributes, true);",
    'if (kind === "nothing") this.setAttributes(path, attributes, true);',
    "copy: a directory inside onto one with another mode and owner",
  ),
  fault(
    "links of the destination are not followed",
    "execute/destination.ts",
    "if (target === undefined) {\n        done.push(name);",
    "if (target === undefined || true) {\n        done.push(name);",
    "copy: into a link to a directory",
  ),
  fault(
    "hard links become copies",
    "execute/copy-layers.ts",
    "const isLink = first?.target !== undefined && target !== undefined;",
    "const isLink = false;",
    "copy --from: hard links",
  ),
  fault(
    "owners become root",
    "execute/copy-layers.ts",
    "owner: { uid: stats.uid, gid: stats.gid },",
    "owner: { uid: 0, gid: 0 },",
    "copy --from: an image with owners and set-id bits",
  ),
  fault(
    "extended attributes are left behind",
    "execute/copy-layers.ts",
    "      xattrs,\n    };",
    "    };",
    "copy --from: extended attributes and capabilities",
  ),
  fault(
    "a number alone has group 0",
    "execute/owners.ts",
    "const own = checked(id ?? Number(entry?.[3] ?? 0), text)",
    "const own = checked(Number(entry?.[3] ?? 0), text)",
    "copy --chown: a number is user and group",
  ),
  fault("a broken pattern matches everything", "context/pattern.ts", "return () => false;", "return () => true;", "copy: a bad pattern"),
  fault(
    "a hash counts in every column",
    "context/ignore.ts",
    'written.startsWith("#")',
    'written.trim().startsWith("#")',
    ".dockerignore: a hash that is not first",
  ),
  fault(
    "a directory's rule does not cover what is in it",
    "context/ignore.ts",
    "above.hits[index] === true || rule.match(path)",
    "rule.match(path)",
    ".dockerignore: an exception below what is left away",
  ),
  fault(
    "a byte order mark is part of the first rule",
    "context/ignore.ts",
    '.replace(/^\\uFEFF/, "")',
    "",
    ".dockerignore: a byte order mark before a comment",
  ),
  fault("what is fetched is 0644", "execute/add.ts", "mode: 0o600, owner:", "mode: 0o644, owner:", "add url: to a name"),
];
