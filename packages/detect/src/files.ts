/** The files of a repository's directory, wherever it is: a commit, a folder. Paths are relative to that directory. */
export interface ProjectFiles {
  /** Names in a directory, those of directories with a / behind them; empty where there is no directory. Links are as what they name. */
  list(directory: string): Promise<readonly string[]>;
  /** A file's text; undefined where there is no file, or one that is too large to be looked into. */
  read(path: string): Promise<string | undefined>;
}

/** A JSON file's content where it is an object; undefined where it is not there, or broken. */
export async function readJson(files: ProjectFiles, path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const text = await files.read(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ""));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A map of texts that a foreign document has under a key; what is no text is left out. */
export function textsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

/** The first of these names that a directory has. */
export function firstOf(names: readonly string[], wanted: readonly string[]): string | undefined {
  return wanted.find((name) => names.includes(name));
}
