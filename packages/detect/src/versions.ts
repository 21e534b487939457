import type { ProjectFiles } from "./files.ts";

/** A version and who asked for it, as a part of a sentence; nobody where it is the default. */
export interface Version {
  readonly version: string;
  readonly because?: string;
}

/** What asdf's and mise's .tool-versions says of a tool: the first word after its name. */
export async function toolVersion(files: ProjectFiles, tool: string): Promise<string | undefined> {
  const text = ((await files.read(".tool-versions")) ?? "").slice(0, 10_000);
  return new RegExp(`^${tool}[ \\t]+(\\S{1,60})`, "m").exec(text)?.[1];
}
