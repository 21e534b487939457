import type { Version } from "../versions.ts";

/** How a Java program is made and run. */
export interface JavaBuild {
  readonly what: string;
  readonly because: string;
  readonly tool: string;
  readonly version: Version;
  /** Of the stage that builds. */
  readonly image: string;
  readonly make: readonly string[];
  readonly copies: readonly string[];
  /** What follows CMD. */
  readonly cmd: string;
}

export type JavaFinding = JavaBuild | { readonly what: string; readonly missing: string };

/** A line that is started by a shell, which gives way to the program: it gets the stop signal. Most of its memory is the program's heap. */
export function launch(args: string): string {
  return `exec java -XX:MaxRAMPercentage=75 ${args}`;
}

/** A class that can be named on a command line as it is. */
export function isClass(name: string): boolean {
  return /^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*$/.test(name) && name.length <= 200;
}

/** The jar that is run, of those that a build leaves: not that of sources, of tests, or what it was before all was packed into it. */
export function onlyJar(directory: string): string {
  const others = ["*-sources.jar", "*-javadoc.jar", "*-tests.jar", "*-plain.jar", "original-*.jar"]
    .map((name) => `! -name '${name}'`)
    .join(" ");
  return `mkdir -p /out && cp "$(find ${directory} -maxdepth 1 -name '*.?ar' ${others} | head -n 1)" /out/app.jar`;
}
