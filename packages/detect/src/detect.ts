import { detectDeno } from "./detect-deno.ts";
import { detectGo } from "./detect-go.ts";
import { detectRust } from "./detect-rust.ts";
import { detectStatic } from "./detect-static.ts";
import type { ProjectFiles } from "./files.ts";
import { detectJava } from "./java/detect-java.ts";
import { detectNode } from "./node/detect-node.ts";
import { detectPhp } from "./php/detect-php.ts";
import { detectPython } from "./python/detect-python.ts";
import type { DetectedRecipe, Finding } from "./recipe.ts";
import { detectRuby } from "./ruby/detect-ruby.ts";

export type Detection =
  | { readonly kind: "recipe"; readonly recipe: DetectedRecipe }
  /** What was looked for, or what is missing, and what to do: a few sentences. */
  | { readonly kind: "none"; readonly message: string };

/** What each detector goes by, in the order in which they are asked; the first that knows how it is run has it. */
const DETECTORS: readonly {
  readonly by: string;
  readonly detect: (files: ProjectFiles) => Promise<Finding | undefined>;
}[] = [
  { by: "go.mod", detect: detectGo },
  { by: "requirements.txt, pyproject.toml", detect: detectPython },
  { by: "Cargo.toml", detect: detectRust },
  { by: "Gemfile", detect: detectRuby },
  { by: "composer.json, index.php", detect: detectPhp },
  { by: "pom.xml, build.gradle", detect: detectJava },
  { by: "deno.json", detect: detectDeno },
  { by: "package.json", detect: detectNode },
  { by: "index.html", detect: detectStatic },
];

/** What we know when we see it and write no recipe for. */
const NOT_WRITTEN: readonly (readonly [string, string])[] = [
  ["mix.exs", "Elixir"],
  ["setup.py", "Python with setup.py alone"],
  ["Pipfile", "Python with a Pipfile alone"],
];

/**
 * Looks what a directory without a Dockerfile holds, and writes one for it. Reads a handful of files, runs nothing; the same files give
 * the same recipe.
 */
export async function detect(files: ProjectFiles): Promise<Detection> {
  const unclear: Extract<Finding, { kind: "unclear" }>[] = [];
  for (const { detect: look } of DETECTORS) {
    const finding = await look(files);
    if (finding?.kind === "recipe") return finding;
    if (finding !== undefined) unclear.push(finding);
  }
  return { kind: "none", message: await whyNot(files, unclear) };
}

/** Whole on one line of a push, which has 300 characters. */
async function whyNot(files: ProjectFiles, [unclear]: readonly Extract<Finding, { kind: "unclear" }>[]): Promise<string> {
  const todo = "Add a Dockerfile, which tells how it is built and run.";
  if (unclear !== undefined)
    return `There is no Dockerfile. This looks like ${unclear.what}, but how it is run is not to be seen: ${unclear.missing}. ${todo}`;
  const names = await files.list("");
  const known = NOT_WRITTEN.find(([name]) => names.includes(name));
  if (known !== undefined) return `There is no Dockerfile, and none is written yet for ${known[1]}, which ${known[0]} tells of. ${todo}`;
  const where = names.filter((name) => name.endsWith("/") && !name.startsWith(".")).length;
  const elsewhere = where === 0 ? todo : "Add a Dockerfile, or name the app's own directory: plim init --directory.";
  return `There is no Dockerfile, and nothing to write one for. Looked for: ${DETECTORS.map(({ by }) => by).join(", ")}. ${elsewhere}`;
}
