import { type Document, isMap, isNode, isPair, isScalar, LineCounter, type ParsedNode, parseDocument } from "yaml";
import type { z } from "zod";
import { AppError } from "../errors.ts";
import { nearestName } from "./nearest.ts";
import { type AppFile, AppFileSchema, appFileJsonSchema } from "./schema.ts";

/** Something wrong in a file of the repository, where it stands. */
export interface FileProblem {
  readonly file: string;
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

const MAX_BYTES = 64 * 1024;
const MAX_PROBLEMS = 20;
/** Of YAML aliases: a file that grows without end is refused. */
const MAX_ALIASES = 50;

const MAX_DEPTH = 40;
/** Characters at the beginning and at the end of a message: what is wrong and what to do. */
const READABLE = 200;

/** What the YAML library words for programmers. */
const PARSE_ERRORS: Readonly<Record<string, string>> = { MULTIPLE_DOCS: "is one document; remove what is from this line on" };

/** Keys that say something we understand and do not do. */
const REFUSED: Readonly<Record<string, string>> = {
  cron: "scheduled commands are not run yet; let a process of its own sleep between its runs",
  volumes: "volumes are not offered yet; keep what must outlive an instance in a database",
};

/**
 * Reads a plimsoll.yaml. Throws AppError `invalid` whose message has one line for each problem, `file:line:column: what and how to write
 * it`, and whose details have them as `problems`.
 */
export function readAppFile(text: string, file: string): AppFile {
  const lines = new LineCounter();
  const problem = (offset: number, message: string): FileProblem => {
    const { line, col } = lines.linePos(Math.max(0, Math.min(offset, text.length)));
    return { file, line: Math.max(1, line), column: Math.max(1, col), message };
  };
  if (Buffer.byteLength(text) > MAX_BYTES) throw refused([problem(0, `is larger than ${MAX_BYTES / 1024} KiB; that is no app file`)]);
  if (nestsTooDeep(text)) throw refused([problem(0, "is nested deeper than anything in it needs; write it out flat")]);
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: "error" });
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0) throw refused(broken.map(({ code, pos, message }) => problem(pos[0], PARSE_ERRORS[code] ?? withoutEnd(message))));
  const data = plainData(document, (message) => refused([problem(0, message)]));
  if (data === null || data === undefined) return {};
  const parsed = AppFileSchema.safeParse(data);
  if (parsed.success) return withWrittenText(parsed.data, document);
  throw refused(parsed.error.issues.flatMap((issue) => explain(issue, document)).map(({ offset, message }) => problem(offset, message)));
}

/** One error of all the problems, in the order of the file. */
export function refused(problems: readonly FileProblem[]): AppError {
  const sorted = problems
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
    .map((problem) => ({ ...problem, message: readable(problem.message) }));
  const shown = sorted.slice(0, MAX_PROBLEMS).map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`);
  const more = sorted.length > MAX_PROBLEMS ? [`… and ${sorted.length - MAX_PROBLEMS} more`] : [];
  return new AppError("invalid", [...shown, ...more].join("\n"), { details: { problems: sorted.slice(0, MAX_PROBLEMS) } });
}

/** On one line, what is quoted of the file shortened, and nothing that a terminal would obey. */
function readable(message: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const line = message.replace(/\s+/g, " ").replace(/[\0-\x1f\x7f-\x9f]/g, "\uFFFD");
  return line.length <= 2 * READABLE ? line : `${line.slice(0, READABLE)}…${line.slice(-READABLE)}`;
}

function plainData(document: Document.Parsed, refuse: (message: string) => AppError): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch {
    throw refuse("its aliases (*name) name more than they should; write it out");
  }
}

/** Before it is parsed, which recurses: brackets that are open at once, and lists of lists on one line. Strings are counted as well. */
function nestsTooDeep(text: string): boolean {
  let open = 0;
  for (const character of text) {
    if (character === "[" || character === "{") open++;
    else if (character === "]" || character === "}") open = Math.max(0, open - 1);
    if (open > MAX_DEPTH) return true;
  }
  return new RegExp(`(?:[-?:] ){${MAX_DEPTH}}`).test(text);
}

interface Found {
  readonly offset: number;
  readonly message: string;
}

function explain(issue: z.core.$ZodIssue, document: Document.Parsed): readonly Found[] {
  const path = issue.path.map((part) => (typeof part === "symbol" ? String(part) : part));
  const where = path.join(".");
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(key, path, document));
  if (issue.code === "invalid_key") {
    const name = String(path.at(-1));
    const rule =
      path[0] === "processes" ? "1 to 40 of a-z, 0-9 and -, starting with a letter" : "letters, digits and _, not starting with a digit";
    return [{ offset: keyOffset(document, path.slice(0, -1), name), message: `the name \`${name}\` must be ${rule}` }];
  }
  const missing = path.length === 0 ? "the file maps build, env, secrets and processes to what they are" : undefined;
  return [{ offset: valueOffset(document, path), message: missing ?? `${where} ${plainMessage(issue)}` }];
}

function unknownKey(key: string, path: readonly (string | number)[], document: Document.Parsed): Found {
  const offset = keyOffset(document, path, key);
  const named = path.length === 0 ? key : `${path[0]}.${key}`;
  const sentence = Object.hasOwn(REFUSED, named) ? REFUSED[named] : undefined;
  if (sentence !== undefined) return { offset, message: `\`${key}\`: ${sentence}` };
  const known = knownKeys(path);
  const meant = nearestName(key, known);
  const fix = meant === undefined ? `there are ${known.join(", ")}` : `did you mean \`${meant}\`?`;
  return { offset, message: `there is no key \`${[...path, key].join(".")}\`; ${fix}` };
}

/** What zod says of its own where we said nothing, as the end of a sentence. */
function plainMessage({ message, code }: z.core.$ZodIssue): string {
  if (/^(is|names|maps|has|must) /.test(message)) return message;
  return code === "invalid_type" ? "is of the wrong kind" : `is not right: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
}

/** The keys that may stand at a path, from the schema itself. */
function knownKeys(path: readonly (string | number)[]): readonly string[] {
  interface Shape {
    readonly properties?: Readonly<Record<string, Shape>>;
    readonly additionalProperties?: Shape;
  }
  let shape: Shape | undefined = appFileJsonSchema();
  for (const part of path) shape = shape?.properties?.[part] ?? shape?.additionalProperties;
  return Object.keys(shape?.properties ?? {});
}

function keyOffset(document: Document.Parsed, path: readonly (string | number)[], key: string): number {
  const parent = path.length === 0 ? document.contents : document.getIn(path, true);
  if (isMap(parent)) {
    const pair = parent.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === key);
    if (pair !== undefined && isScalar(pair.key)) return (pair.key as ParsedNode).range?.[0] ?? 0;
  }
  return 0;
}

function valueOffset(document: Document.Parsed, path: readonly (string | number)[]): number {
  const node = path.length === 0 ? document.contents : document.getIn(path, true);
  if (isNode(node) && node.range) return node.range[0];
  return path.length === 0 ? 0 : keyOffset(document, path.slice(0, -1), String(path.at(-1)));
}

/** Environment and build arguments are what was written: `1.10` is no 1.1, `yes` no true. */
function withWrittenText(file: AppFile, document: Document.Parsed): AppFile {
  const written = (path: readonly string[], values: Readonly<Record<string, string | number | boolean>>) =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => {
        const node = document.getIn([...path, name], true);
        const source = isScalar(node) && typeof node.value !== "string" ? node.source : undefined;
        return [name, source ?? String(value)];
      }),
    );
  return {
    ...file,
    ...(file.env === undefined ? {} : { env: written(["env"], file.env) }),
    ...(file.build?.args === undefined ? {} : { build: { ...file.build, args: written(["build", "args"], file.build.args) } }),
  };
}

function withoutEnd(message: string): string {
  return message.split("\n")[0]?.replace(/[.:]$/, "") ?? message;
}
