import { randomUUID } from "node:crypto";
import { run } from "@plimsoll/exec";

/** A file of a test commit: text, bytes, or content with a mode. A submodule's content is its commit id, a link's its target. */
export type TestFile = string | Uint8Array | { readonly content: string; readonly mode: "644" | "755" | "link" | "submodule" };

const MODES = { "644": "100644", "755": "100755", link: "120000", submodule: "160000" } as const;

/**
 * For tests: makes a commit of exactly these files in a bare repository, through `git fast-import`, and returns its id. Committed at
 * `seconds`.
 */
export async function commitFiles(
  repository: string,
  files: Readonly<Record<string, TestFile>>,
  options: { readonly seconds?: number; readonly branch?: string } = {},
): Promise<string> {
  // One of its own where none is named: commits are made side by side.
  const ref = `refs/heads/${options.branch ?? randomUUID()}`;
  const parts: (string | Uint8Array)[] = [
    `commit ${ref}\n`,
    `committer T <t@example.test> ${options.seconds ?? 1_700_000_000} +0000\n`,
    "data 1\nx\n",
    "deleteall\n",
  ];
  for (const [path, file] of Object.entries(files)) {
    const { content, mode } = typeof file === "string" || file instanceof Uint8Array ? { content: file, mode: "644" as const } : file;
    if (mode === "submodule") parts.push(`M 160000 ${content} ${JSON.stringify(path)}\n`);
    else parts.push(`M ${MODES[mode]} inline ${JSON.stringify(path)}\n`, `data ${Buffer.byteLength(content)}\n`, content, "\n");
  }
  await run(["git", `--git-dir=${repository}`, "fast-import", "--quiet", "--force"], {
    stdin: Buffer.concat(parts.map((part) => Buffer.from(part))),
  });
  return (await run(["git", `--git-dir=${repository}`, "rev-parse", ref])).stdout.trim();
}
