import { parseArgs } from "node:util";
import type { ArgumentSpec, CommandSpec, OptionSpec } from "./command.ts";
import { usageError } from "./failure.ts";

/** Understood by every command. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { name: "output", short: "o", value: "json|text", about: "json: the API's own objects, for programs", fallback: "text" },
  { name: "help", short: "h", about: "say how the command is used" },
];

export interface Parsed {
  readonly spec: CommandSpec;
  readonly arguments: ReadonlyMap<string, readonly string[]>;
  /** Values by option; a switch that was given has one empty value. */
  readonly options: ReadonlyMap<string, readonly string[]>;
}

/** `<app> [process=count...]` as a list. Pure. */
export function parseTakes(takes = ""): readonly ArgumentSpec[] {
  return [...takes.matchAll(/([<[])([^\]>]+?)(\.\.\.)?[\]>]/g)].map(([, bracket, name = "", dots]) => ({
    name,
    required: bracket === "<",
    many: dots !== undefined,
  }));
}

/** The command whose name the words begin with, the longest one, and what is left of the words. */
export function findCommand(
  commands: readonly CommandSpec[],
  words: readonly string[],
): { spec: CommandSpec; rest: readonly string[] } | undefined {
  let best: { spec: CommandSpec; rest: readonly string[] } | undefined;
  let length = 0;
  for (const spec of commands)
    for (const name of [spec.name, ...(spec.aliases ?? [])]) {
      const parts = name.split(" ");
      if (parts.length <= length || parts.some((part, index) => words[index] !== part)) continue;
      best = { spec, rest: words.slice(parts.length) };
      length = parts.length;
    }
  return best;
}

/** A command line without the program's name. AppError with exit code 2 says what is wrong with it. Pure. */
export function parse(commands: readonly CommandSpec[], words: readonly string[]): Parsed {
  const [first = ""] = words;
  const found = findCommand(commands, words);
  if (found === undefined) {
    if (first.startsWith("-")) throw usageError(`A command comes first, then its options: plim apps ${first}`);
    const group = commands.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name);
    if (group.length > 0) throw usageError(`plim ${first} needs to know what to do: ${group.map((name) => `plim ${name}`).join(", ")}`);
    throw usageError(
      `There is no command \`${first}\`.${didYouMean(
        first,
        commands.map(({ name }) => name.split(" ")[0] ?? ""),
      )}`,
    );
  }
  const { spec, rest } = found;
  const known = [...(spec.options ?? []), ...COMMON_OPTIONS];
  const { positionals, values } = readWords(spec, known, rest);
  return { spec, arguments: assign(spec, commands, positionals, values.has("help")), options: values };
}

function readWords(spec: CommandSpec, known: readonly OptionSpec[], words: readonly string[]) {
  const options = Object.fromEntries(
    known.map(({ name, short, value }) => [
      name,
      {
        type: value === undefined ? ("boolean" as const) : ("string" as const),
        multiple: true as const,
        ...(short === undefined ? {} : { short }),
      },
    ]),
  );
  const { tokens } = parseArgs({ args: [...words], options, strict: false, allowPositionals: true, tokens: true });
  const positionals: string[] = [];
  const values = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const option = known.find(({ name }) => name === token.name);
    if (option === undefined) {
      const hint = didYouMean(
        token.name,
        known.map(({ name }) => name),
        "--",
      );
      throw usageError(`plim ${spec.name} has no option ${token.rawName}.${hint}`, spec.name);
    }
    if (option.value === undefined && token.value !== undefined) throw usageError(`${token.rawName} takes no value.`, spec.name);
    if (option.value !== undefined && token.value === undefined)
      throw usageError(`${token.rawName} needs a value: ${option.value}`, spec.name);
    const before = values.get(option.name) ?? [];
    if (before.length > 0 && option.value !== undefined && option.many !== true)
      throw usageError(`${token.rawName} was given twice.`, spec.name);
    values.set(option.name, [...before, token.value ?? ""]);
  }
  const output = values.get("output")?.[0];
  if (output !== undefined && output !== "json" && output !== "text") throw usageError(`-o is json or text, not \`${output}\`.`, spec.name);
  return { positionals, values };
}

/**
 * Words to arguments, in order. A first argument that may be left out is left out where the word is none: `scale web=3` means the
 * repository's own app, as no app has a = in its name.
 */
function assign(
  spec: CommandSpec,
  commands: readonly CommandSpec[],
  words: readonly string[],
  help: boolean,
): Map<string, readonly string[]> {
  const declared = parseTakes(spec.takes);
  const [first, second] = declared;
  const skips = first !== undefined && !first.required && second?.name.includes("=") === true && words[0]?.includes("=") === true;
  const assigned = new Map<string, readonly string[]>();
  let rest = [...words];
  for (const [index, argument] of declared.entries()) {
    if (index === 0 && skips) continue;
    const taken = argument.many ? rest : rest.slice(0, 1);
    rest = rest.slice(taken.length);
    if (spec.hidden !== true && taken.some((word) => word === "")) throw usageError(`<${argument.name}> is empty.`, spec.name);
    if (taken.length > 0) assigned.set(argument.name, taken);
    else if (argument.required && !help) throw usageError(`plim ${spec.name} needs ${argument.name}: ${usageOf(spec)}`, spec.name);
  }
  const [extra] = rest;
  if (extra === undefined || help) return assigned;
  const below = commands.filter(({ name }) => name.startsWith(`${spec.name} `)).map(({ name }) => name.slice(spec.name.length + 1));
  throw usageError(
    `\`${extra}\` is too much: ${usageOf(spec)}${below.length > 0 ? didYouMean(words[0] ?? "", below, `plim ${spec.name} `) : ""}`,
    spec.name,
  );
}

/** `plim scale [app] <process=count...>`. */
export function usageOf(spec: CommandSpec): string {
  return ["plim", spec.name, ...(spec.takes === undefined ? [] : [spec.takes])].join(" ");
}

/** ` Did you mean …?` for the name that is nearest, empty where none is near. */
export function didYouMean(typed: string, names: readonly string[], prefix = ""): string {
  const near = [...new Set(names)]
    .map((name) => ({ name, distance: distanceOf(typed, name) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance)[0];
  return near === undefined ? "" : ` Did you mean ${prefix}${near.name}?`;
}

/** Damerau's edit distance, restricted: insert, remove, replace, swap neighbours. */
function distanceOf(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY;
      (rows[i] ?? [])[j] = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + change, swap);
    }
  }
  return at(a.length, b.length);
}
