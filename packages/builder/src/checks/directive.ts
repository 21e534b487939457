/** What `# check=` asks for. */
export interface CheckDirective {
  /** Names of checks that are not made, in lower case; `all`: none is. */
  readonly skip: ReadonlySet<string>;
  /** A finding ends the build. */
  readonly error: boolean;
  /** Names of experimental checks that are made too, in lower case; `all`: all of them. */
  readonly experimental: ReadonlySet<string>;
}

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S.*)$/;

/** Reads `# check=skip=A,B;error=true;experimental=C` among the directives at the very top. What it does not know it leaves. Pure. */
export function readCheckDirective(text: string): CheckDirective {
  const lines = text.replace(/^\uFEFF/, "").split("\n");
  const start = lines[0]?.startsWith("#!") ? 1 : 0;
  for (const line of lines.slice(start)) {
    const match = DIRECTIVE.exec(line.trim());
    const name = match?.[1]?.toLowerCase();
    if (name === "check") return read(match?.[2] ?? "");
    if (name !== "syntax" && name !== "escape") break;
  }
  return { skip: new Set(), error: false, experimental: new Set() };
}

function read(text: string): CheckDirective {
  const parts = new Map(
    text.split(";").map((part) => {
      const equals = part.indexOf("=");
      return [part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim()] as const;
    }),
  );
  const names = (list: string | undefined) =>
    new Set(
      (list ?? "")
        .split(",")
        .map((name) => name.trim().toLowerCase())
        .filter((name) => name !== ""),
    );
  return {
    skip: names(parts.get("skip")),
    error: parts.get("error")?.toLowerCase() === "true",
    experimental: names(parts.get("experimental")),
  };
}
