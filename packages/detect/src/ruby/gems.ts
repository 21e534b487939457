import type { ProjectFiles } from "../files.ts";
import { toolVersion, type Version } from "../versions.ts";

/** What of a Ruby project its recipe depends on. */
export interface RubyProject {
  readonly names: readonly string[];
  /** All that the lock file has, or that the Gemfile names where there is none. */
  readonly gems: ReadonlySet<string>;
  readonly isLocked: boolean;
  readonly ruby: Version;
  /** Installing needs more of the repository than its lists of gems. */
  readonly needsFilesToInstall: boolean;
}

/** What Debian 13 has as well, so that a host without a registry can stand in for it. */
const DEFAULT_VERSION = "3.3";
/** Longer ones nobody writes by hand; what is beyond is for Bundler alone. */
const MAX_CHARS = 1024 * 1024;
/** Gems that are directories of the repository, and Gemfiles that read other files of it. */
const LOCAL = /^[^#\n]*(?:\bpath:|:path\b|\bgemspec\b|\beval_gemfile\b|\brequire_relative\b|\bFile\.|^[ \t]*path[ \t]+["'])/m;

export async function readRubyProject(files: ProjectFiles): Promise<RubyProject | undefined> {
  const text = await files.read("Gemfile");
  if (text === undefined) return undefined;
  const gemfile = text.slice(0, MAX_CHARS);
  const lock = (await files.read("Gemfile.lock"))?.slice(0, MAX_CHARS);
  const names = await files.list("");
  const named = [...gemfile.matchAll(/^[ \t]*gem[ \t(]+["']([\w.-]{1,100})["']/gm)];
  const locked = [...(lock ?? "").matchAll(/^ {4}([\w.-]{1,100}) \(/gm)];
  return {
    names,
    gems: new Set([...named, ...locked].flatMap(([, name]) => name ?? [])),
    isLocked: names.includes("Gemfile.lock"),
    ruby: await rubyVersion(files, gemfile, lock),
    needsFilesToInstall: LOCAL.test(gemfile) || (await files.list("vendor/cache")).length > 0,
  };
}

async function rubyVersion(files: ProjectFiles, gemfile: string, lock: string | undefined): Promise<Version> {
  const asked: readonly (readonly [string, string | undefined])[] = [
    [".ruby-version", (await files.read(".ruby-version"))?.slice(0, 100)],
    ["Gemfile", /^[ \t]*ruby[ \t(]+["']([^"'\n]{1,40})["']/m.exec(gemfile)?.[1]],
    ["Gemfile.lock", /^RUBY VERSION\r?\n[ \t]+ruby (\S{1,20})/m.exec(lock ?? "")?.[1]],
    [".tool-versions", await toolVersion(files, "ruby")],
  ];
  for (const [file, text] of asked) {
    const [, bound, version] = /(>=)?[ \t]*(?:ruby-)?([2-4]\.\d)(?!\d)/.exec(text ?? "") ?? [];
    if (version === undefined) continue;
    // At least that: the newest that is usual here is meant, too.
    const chosen = bound === ">=" && version < DEFAULT_VERSION && !text?.includes("<") ? DEFAULT_VERSION : version;
    return { version: chosen, because: `${file} asks for Ruby ${bound === undefined ? "" : `${bound} `}${version}` };
  }
  return { version: DEFAULT_VERSION };
}
