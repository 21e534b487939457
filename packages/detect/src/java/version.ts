import type { ProjectFiles } from "../files.ts";
import { toolVersion, type Version } from "../versions.ts";

/** Releases that are looked after for long, and have images: what asks for another one gets the next of them. */
const LONG_TERM = [8, 11, 17, 21, 25];
const DEFAULT_VERSION = "21";

/** `asked`: what the build's own file says, as `1.8` or `17`. */
export async function javaVersion(files: ProjectFiles, asked: string | undefined, file: string): Promise<Version> {
  const jdk = /^java[ \t]*=[ \t]*(\S{1,60})/m.exec(((await files.read(".sdkmanrc")) ?? "").slice(0, 10_000))?.[1];
  for (const [from, text] of [
    [".java-version", (await files.read(".java-version"))?.slice(0, 100)],
    [
      "system.properties",
      /^java\.runtime\.version[ \t]*=[ \t]*(\S{1,20})/m.exec(((await files.read("system.properties")) ?? "").slice(0, 10_000))?.[1],
    ],
    [".sdkmanrc", jdk],
    [".tool-versions", await toolVersion(files, "java")],
    [file, asked],
  ] as const) {
    const number = /(?:^|[^\d.])(?:1\.)?(\d{1,2})(?!\d)/.exec(text ?? "")?.[1];
    if (number === undefined || Number(number) < 5) continue;
    const version = LONG_TERM.find((one) => one >= Number(number)) ?? Number(number);
    return { version: String(version), because: `${from} asks for Java ${number}` };
  }
  return { version: DEFAULT_VERSION };
}
