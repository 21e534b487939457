import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { run } from "@plimsoll/exec";
import type { Case, CaseFile } from "./case.ts";

/** Stands in build arguments for the address of the test's own web server. */
export const SERVER = "{{server}}";

/** All files of a case, its Dockerfile with them. */
function filesOf({ files, dockerfile, path }: Case): readonly (readonly [string, CaseFile])[] {
  return Object.entries({ ...files, [path ?? "Dockerfile"]: dockerfile });
}

export function argsOf({ args }: Case, server: string): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(args ?? {}).map(([name, value]) => [name, value.replaceAll(SERVER, server)]));
}

/** The context as a directory, for `docker build`. */
export async function writeContext(directory: string, one: Case): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [name, file] of filesOf(one)) {
    const path = join(directory, name);
    await mkdir(dirname(path), { recursive: true });
    if (typeof file !== "string" && "link" in file) await symlink(file.link, path);
    else {
      await writeFile(path, typeof file === "string" ? file : file.content);
      await chmod(path, typeof file !== "string" && file.mode === "755" ? 0o755 : 0o644);
    }
  }
}

/** The same context as a commit on a branch of its own, for our builder. Returns its id. */
export async function commitContext(repository: string, branch: string, one: Case): Promise<string> {
  const ref = `refs/heads/${branch}`;
  const parts: Uint8Array[] = [Buffer.from(`commit ${ref}\ncommitter T <t@example.test> 1700000000 +0000\ndata 1\nx\ndeleteall\n`)];
  for (const [name, file] of filesOf(one)) {
    const isLink = typeof file !== "string" && "link" in file;
    const mode = isLink ? "120000" : typeof file !== "string" && file.mode === "755" ? "100755" : "100644";
    const bytes = Buffer.from(isLink ? file.link : typeof file === "string" ? file : file.content);
    parts.push(Buffer.from(`M ${mode} inline ${JSON.stringify(name)}\ndata ${bytes.length}\n`), bytes, Buffer.from("\n"));
  }
  await run(["git", `--git-dir=${repository}`, "fast-import", "--quiet", "--force"], { stdin: Buffer.concat(parts) });
  return (await run(["git", `--git-dir=${repository}`, "rev-parse", ref])).stdout.trim();
}
