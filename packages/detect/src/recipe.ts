/** A Dockerfile that was written for what is in a repository. */
export interface DetectedRecipe {
  /** For people: `a Vite site`, `a Django app`. */
  readonly what: string;
  /** What it was told by, each a part of a sentence: `package.json depends on next`. */
  readonly because: readonly string[];
  readonly dockerfile: string;
  readonly dockerignore: string;
}

/** What a detector found out; `undefined`: it is none of its kind. */
export type Finding =
  | { readonly kind: "recipe"; readonly recipe: DetectedRecipe }
  /** It is of its kind, and there is no telling how it is run: what is missing. */
  | { readonly kind: "unclear"; readonly what: string; readonly missing: string };

/** Lines of a Dockerfile. A stage is set apart by an empty line. */
export function dockerfile(...stages: readonly (readonly (string | undefined)[])[]): string {
  return `${stages.map((lines) => lines.filter((line) => line !== undefined).join("\n")).join("\n\n")}\n`;
}

/** `RUN` with directories that outlive the build. */
export function run(command: string, ...caches: readonly string[]): string {
  return `RUN ${caches.map((target) => `--mount=type=cache,target=${target} `).join("")}${command}`;
}

/** Words that are started as they are, without a shell. */
export function words(...argv: readonly string[]): string {
  return `[${argv.map((word) => JSON.stringify(word)).join(", ")}]`;
}

/** What no image needs, and what is made anew in it. */
export function dockerignore(...more: readonly string[]): string {
  return `${[".git", ".github", ".env", ".env.local", ".env.*.local", "Dockerfile", ".dockerignore", "plimsoll.yaml", ...more].join("\n")}\n`;
}

/** The port that the platform tells, as a shell reads it. */
export const PORT = `\${PORT:-8080}`;
