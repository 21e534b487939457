/** A command that installs what a project needs, and the files that alone decide what. */
export interface Installer {
  /** As people write it: `npm ci`. */
  readonly command: string;
  readonly files: string;
}

const INSTALLERS: readonly (readonly [RegExp, string | undefined, string])[] = [
  [/\bnpm (?:ci|i|install)\b(?![^\n;&|]*\s(?:-g|--global)\b)/, undefined, "package.json package-lock.json"],
  [/\bpnpm (?:i|install|fetch)\b/, undefined, "package.json pnpm-lock.yaml"],
  [/\byarn(?: install\b| --(?:frozen-lockfile|immutable)\b|(?=\s*(?:$|\n|&&|;)))/, "yarn install", "package.json yarn.lock"],
  [/\bbun (?:i|install)\b/, undefined, "package.json bun.lock"],
  [/\bpip3? install\b[^\n;&|]*\s-r\b/, "pip install -r", "requirements.txt"],
  [/\bpoetry install\b/, undefined, "pyproject.toml poetry.lock"],
  [/\buv sync\b/, undefined, "pyproject.toml uv.lock"],
  [/\bpipenv (?:install|sync)\b/, undefined, "Pipfile Pipfile.lock"],
  [/\bgo mod download\b/, undefined, "go.mod go.sum"],
  [/\bbundle install\b/, undefined, "Gemfile Gemfile.lock"],
  [/\bcomposer install\b/, undefined, "composer.json composer.lock"],
  [/\bcargo fetch\b/, undefined, "Cargo.toml Cargo.lock"],
  [/\bmvn\b[^\n;&|]*\bdependency:(?:go-offline|resolve)\b/, "mvn dependency:go-offline", "pom.xml"],
  [/\bmix deps\.get\b/, undefined, "mix.exs mix.lock"],
];

/** The first that a command line has. Pure. */
export function installerIn(command: string): Installer | undefined {
  for (const [pattern, name, files] of INSTALLERS) {
    const match = pattern.exec(command);
    if (match !== null) return { command: name ?? match[0], files };
  }
  return undefined;
}
