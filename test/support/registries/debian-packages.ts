import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { minimalEnv, run } from "@plimsoll/exec";

const TIMEOUT_MS = 240_000;

/** A Debian package's files, unpacked; nothing of it is installed or run. */
export interface DebianPackage {
  readonly name: string;
  /** Where its `/` is. */
  readonly root: string;
  /** Names of the packages that it needs. */
  readonly depends: readonly string[];
}

export interface DebianRequest {
  readonly suite: string;
  readonly packages: readonly string[];
  /** Which of all that these depend on are wanted. */
  readonly wanted: (name: string) => boolean;
  /** An empty directory for lists, archives and files; the caller's to remove. */
  readonly directory: string;
}

/** Downloads packages of a suite, whatever this machine's own suite is, with those that they depend on. */
export async function debianPackages({ suite, packages, wanted, directory }: DebianRequest): Promise<readonly DebianPackage[]> {
  const at = (...path: string[]) => join(directory, ...path);
  for (const path of ["lists/partial", "cache/archives/partial", "archives", "roots"]) await mkdir(at(path), { recursive: true });
  await writeFile(
    at("sources.list"),
    `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian ${suite} main\n`,
  );
  await writeFile(at("status"), "");
  const settings = {
    "Dir::Etc::sourcelist": at("sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::State::lists": at("lists"),
    "Dir::State::status": at("status"),
    "Dir::Cache": at("cache"),
    "APT::Install-Recommends": "false",
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const proxies = ["http_proxy", "https_proxy", "no_proxy"].flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]] as const],
  );
  const apt = (words: readonly string[]) =>
    run(["apt-get", ...options, ...words], {
      cwd: at("archives"),
      env: { ...minimalEnv, ...Object.fromEntries(proxies) },
      timeoutMs: TIMEOUT_MS,
    });
  await apt(["update", "--quiet"]);
  const { stdout } = await apt(["--simulate", "install", ...packages]);
  const names = [...stdout.matchAll(/^Inst (\S+) /gm)].flatMap(([, name]) => (name !== undefined && wanted(name) ? [name] : []));
  await apt(["download", "--quiet", ...names]);
  const archives = await readdir(at("archives"));
  return Promise.all(
    names.map(async (name) => {
      const archive = archives.find((file) => file.startsWith(`${name}_`));
      if (archive === undefined) throw new Error(`Debian's ${name} was not downloaded`);
      await run(["dpkg-deb", "-x", at("archives", archive), at("roots", name)], { timeoutMs: TIMEOUT_MS });
      const { stdout: depends } = await run(["dpkg-deb", "-f", at("archives", archive), "Depends"]);
      return { name, root: at("roots", name), depends: depends.split(/[,|]/).map((one) => one.trim().split(/[ :]/)[0] ?? "") };
    }),
  );
}
