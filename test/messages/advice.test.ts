import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { parseSync } from "oxc-parser";
import { describe, expect, it } from "vitest";

/** Every place where the front end of builds refuses something tells what to do: read off the code, so that a new one is held to it too. */

const ROOT = resolve(import.meta.dirname, "../..");
const FRONT_END = ["dockerfile", "plan", "context"].map((directory) => join(ROOT, "packages/builder/src", directory));

/** What makes the problem, and which of its arguments is the sentence. */
const SENTENCE_OF: Readonly<Record<string, number>> = { problemAt: 2, WordError: 0, PatternError: 0, wrong: 0 };

/** Sentences that are finished elsewhere, and by what. */
const FINISHED_BY_CALLER = new Set([
  // `The pattern "…" ${message}; escape characters meant literally with a backslash.`
  "PatternError",
]);

/** What is filled in last is the advice. */
const ADVICE_FILLED_IN = new Set([
  "--… is no flag of …; ….", // did you mean --x? RUN takes --x, --y
  "… is no Dockerfile instruction; …", // did you mean RUN?
  "… needs ….", // a directory, as in WORKDIR /app
  "The name of a heredoc (<<) cannot be read: ….",
  '… has no stage "…"; ….', // its stages are a, b
]);

const DOING =
  "add|begin|choose|close|copy|correct|did you mean|escape|fetch|give|keep|make|move|name|only|put|remove|say|set|shorten|split|use|write|let";
const ADVICE = new RegExp(
  [
    `(?:[;:.,]|\\bor) (?:${DOING})\\b`, // … is wrong; write it so
    "\\bas in \\S", // … needs a value, as in --x=1
    "for example",
    "\\binstead\\b",
    "\\bis \\S+(?:, \\S+)* or \\S+, not\\b", // … is true or false, not "x"
    "; it can be ", // … is "x"; it can be a directory or an image
    "; (?:there|\\w+(?:, \\w+)*(?: and \\S+)?) are\\b", // … is no type; there are a, b, c
    "a plain RUN cp does that",
  ].join("|"),
  "i",
);

interface Site {
  readonly place: string;
  readonly made: string;
  /** As the code has it, with … for what is filled in. */
  readonly sentence: string;
}

type Node = Readonly<Record<string, unknown>> & { readonly type: string };
const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && "type" in value;

function* nodesOf(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const one of value) yield* nodesOf(one);
  else if (isNode(value)) {
    yield value;
    for (const below of Object.values(value)) yield* nodesOf(below);
  }
}

/** A text with its holes; undefined for what is no text. A choice between texts is all of them. */
function textsOf(node: unknown): readonly string[] | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === "Literal" && typeof node.value === "string") return [node.value];
  if (node.type === "TemplateLiteral") {
    const parts = (node.quasis as readonly { value: { cooked: string } }[]).map(({ value }) => value.cooked);
    const holes = node.expressions as readonly unknown[];
    return [parts.map((part, index) => part + (index < holes.length ? (textsOf(holes[index])?.[0] ?? "…") : "")).join("")];
  }
  if (node.type === "ConditionalExpression") {
    const both = [textsOf(node.consequent), textsOf(node.alternate)];
    return both.some((texts) => texts === undefined) ? undefined : both.flatMap((texts) => texts ?? []);
  }
  return undefined;
}

function sitesOf(path: string): readonly Site[] {
  const { program, errors } = parseSync(path, readFileSync(path, "utf8"));
  expect(errors).toEqual([]);
  const nodes = [...nodesOf(program)];
  // const wrong = "…"; problemAt(…, wrong)
  const named = new Map(
    nodes.flatMap((node) => {
      const name = node.type === "VariableDeclarator" && isNode(node.id) ? node.id.name : undefined;
      const texts = typeof name === "string" ? textsOf(node.init) : undefined;
      return texts === undefined ? [] : [[name as string, texts] as const];
    }),
  );
  return nodes.flatMap((node): Site[] => {
    if ((node.type !== "CallExpression" && node.type !== "NewExpression") || !isNode(node.callee)) return [];
    const called = node.callee.type === "MemberExpression" && isNode(node.callee.property) ? node.callee.property.name : node.callee.name;
    if (typeof called !== "string" || !Object.hasOwn(SENTENCE_OF, called)) return [];
    const argument = (node.arguments as readonly unknown[])[SENTENCE_OF[called] ?? 0];
    const texts = textsOf(argument) ?? (isNode(argument) && typeof argument.name === "string" ? named.get(argument.name) : undefined);
    return (texts ?? ["?"]).map((sentence) => ({ place: relative(ROOT, path), made: called, sentence }));
  });
}

const SITES = FRONT_END.flatMap((directory) =>
  readdirSync(directory)
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .flatMap((name) => sitesOf(join(directory, name))),
);

describe("what the front end of builds refuses", () => {
  it("is found in the code, all of it", () => {
    expect(SITES.length).toBeGreaterThan(100);
    expect(SITES.filter(({ sentence }) => sentence === "?")).toEqual([]);
  });

  it.each(SITES.filter(({ made, sentence }) => !FINISHED_BY_CALLER.has(made) && /\w{3}/.test(sentence.replaceAll("…", ""))))(
    "$place: $sentence",
    ({ sentence }) => {
      const isWrapper = /^(?:RUN --mount: |"…" cannot be read: )?….?$/.test(sentence);
      const tells = isWrapper || ADVICE_FILLED_IN.has(sentence) || ADVICE.test(sentence);
      expect(tells, "it must say what to do: `; write …`, `; remove …`, `as in …` (see ADVICE in this file)").toBe(true);
    },
  );

  it.each(["The file is wrong.", "--x has no value", "it is not supported"])("would not do: %s", (sentence) => {
    expect(ADVICE.test(sentence)).toBe(false);
  });
});
