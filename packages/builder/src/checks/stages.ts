import { ExpansionBudget } from "../dockerfile/budget.ts";
import type { Dockerfile, StageSource } from "../dockerfile/parse.ts";
import { WordError } from "../dockerfile/word-error.ts";
import { expandWord } from "../dockerfile/words.ts";
import { type Finding, finding, quoted } from "./finding.ts";

const RESERVED = new Set(["scratch", "context"]);
/** What FROM lines see without any ARG. */
const PREDEFINED = new Set(
  ["BUILD", "TARGET"].flatMap((side) => ["PLATFORM", "OS", "ARCH", "VARIANT"].map((what) => `${side}${what}`)).concat("TARGETSTAGE"),
);
const IMAGE =
  /^(?:[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::\d+)?\/)*[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::[\w][\w.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,})?$/i;

/** Checks of FROM lines and of how stages use each other. */
export function checkStages(dockerfile: Dockerfile): readonly Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, number>();
  for (const { from } of dockerfile.stages) {
    if (from.name !== undefined) {
      const before = seen.get(from.name);
      if (before !== undefined)
        findings.push(
          finding(
            "DuplicateStageName",
            from.at,
            `The stage name ${quoted(from.name)} stands in line ${before} already; give this one another.`,
          ),
        );
      else seen.set(from.name, from.at.line);
      if (RESERVED.has(from.name))
        findings.push(
          finding("ReservedStageName", from.at, `${from.name} means something else and cannot be reached as a stage; rename it.`),
        );
    }
    findings.push(...checkFrom(dockerfile, from), ...platform(from));
  }
  return findings.concat(dockerfile.stages.flatMap(usedOnce));
}

function* checkFrom(dockerfile: Dockerfile, from: StageSource["from"]): Generator<Finding> {
  const declared = new Map(dockerfile.globalArgs.flatMap(({ args }) => args.map(({ name, value }) => [name, value] as const)));
  const asked = new Set<string>();
  const values = new Map<string, string>();
  const words = { escape: dockerfile.escape, budget: new ExpansionBudget() };
  const look = {
    get: (name: string) => {
      asked.add(name);
      if (PREDEFINED.has(name)) return "x";
      return values.get(name);
    },
  };
  try {
    for (const [name, value] of declared) if (value !== undefined) values.set(name, expandWord(value, look, words));
    asked.clear();
    const base = expandWord(from.base, look, words);
    if (from.platform !== undefined) expandWord(from.platform, look, words);
    const unknown = [...asked].filter((name) => !declared.has(name) && !PREDEFINED.has(name));
    for (const name of unknown)
      yield finding(
        "UndefinedArgInFrom",
        from.at,
        `FROM uses ${quoted(name)}, which no ARG above the first FROM declares; add ARG ${quoted(name)}=….`,
      );
    if (unknown.length === 0 && asked.size > 0 && !IMAGE.test(base))
      yield finding(
        "InvalidDefaultArgInFrom",
        from.at,
        `Without build arguments this is FROM ${base === "" ? "nothing" : quoted(base)}, which names no image; give the ARG a default value.`,
      );
  } catch (error) {
    // What cannot be read at all is refused where it is used.
    if (!(error instanceof WordError)) throw error;
  }
}

function* platform({ platform: wanted, name = "", at }: StageSource["from"]): Generator<Finding> {
  if (wanted === undefined) return;
  if (/^"?\$\{?TARGETPLATFORM\}?"?$/.test(wanted)) {
    yield finding("RedundantTargetPlatform", at, "--platform=$TARGETPLATFORM is what a stage is built for anyway; remove the flag.");
    return;
  }
  const parts = wanted.toLowerCase().split("/");
  // A stage for one platform may say so in its name.
  if (wanted.includes("$") || parts.some((part) => part !== "" && name.includes(part))) return;
  yield finding(
    "FromPlatformFlagConstDisallowed",
    at,
    `--platform=${quoted(wanted)} ties the image to one platform; write --platform=$BUILDPLATFORM for build tools, or remove the flag.`,
  );
}

function usedOnce({ instructions }: StageSource): readonly Finding[] {
  return (["cmd", "entrypoint", "healthcheck"] as const).flatMap((type) => {
    const all = instructions.filter((one) => one.type === type);
    return all
      .slice(0, -1)
      .map(({ at }) =>
        finding(
          "MultipleInstructionsDisallowed",
          at,
          `Only the last ${type.toUpperCase()} of a stage counts, in line ${all.at(-1)?.at.line}; remove this one.`,
        ),
      );
  });
}
