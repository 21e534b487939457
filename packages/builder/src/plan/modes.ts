import { problemAt, type SourceLocation } from "../problem.ts";

const CLAUSE = "[ugoa]*(?:[-+=][rwxXstugo]*)+";
const SYMBOLIC = new RegExp(`^${CLAUSE}(?:,${CLAUSE})*$`);
/** It is applied to every file. */
const MAX_SYMBOLIC = 200;
const SPECIAL = { u: 0o4000, g: 0o2000, o: 0 } as const;

/** `--chmod`: octal bits, or a symbolic mode that stays as it is. Throws BuildProblem for anything else. */
export function readMode(text: string, at: SourceLocation): number | string {
  const octal = /^\+?[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
  if (octal !== undefined && octal <= 0o7777) return octal;
  if (octal === undefined && text.length <= MAX_SYMBOLIC && SYMBOLIC.test(text)) return text;
  throw problemAt(
    at,
    "dockerfile",
    `--chmod=${text.slice(0, 40)} is no mode; write octal digits from 0 to 7777, as in --chmod=755, or changes, as in --chmod=u=rwX,go=rX.`,
  );
}

/**
 * What a checked symbolic mode makes of a file's own bits, as chmod(1) without a umask. Pure. `X` gives execution to directories and to
 * files that someone may execute already.
 */
export function applySymbolicMode(symbolic: string, mode: number, isDirectory: boolean): number {
  let bits = mode & 0o7777;
  for (const clause of symbolic.split(",")) {
    const written = /^[ugoa]*/.exec(clause)?.[0] ?? "";
    const who = written === "" || written.includes("a") ? "ugo" : written;
    for (const [, operator = "", letters = ""] of clause.slice(written.length).matchAll(/([-+=])([rwxXstugo]*)/g)) {
      bits = change(bits, operator, maskOf(who), bitsOf(letters, bits, mode, isDirectory, operator), who);
    }
  }
  return bits;
}

function change(bits: number, operator: string, mask: number, wanted: number, who: string): number {
  // The sticky bit belongs to nobody: it goes with what is said, unless that is of others only.
  const reach = mask | (who === "o" ? 0 : 0o1000);
  const changed = wanted & reach;
  if (operator === "+") return bits | changed;
  if (operator === "-") return bits & ~changed;
  return (bits & ~(mask | (changed & 0o1000))) | changed;
}

function maskOf(who: string): number {
  let mask = 0;
  if (who.includes("u")) mask |= 0o700 | SPECIAL.u;
  if (who.includes("g")) mask |= 0o070 | SPECIAL.g;
  if (who.includes("o")) mask |= 0o007;
  return mask;
}

function bitsOf(letters: string, bits: number, original: number, isDirectory: boolean, operator: string): number {
  let wanted = 0;
  for (const letter of letters) {
    if (letter === "r") wanted |= 0o444;
    else if (letter === "w") wanted |= 0o222;
    else if (letter === "x") wanted |= 0o111;
    else if (letter === "X" && (operator === "-" || isDirectory || (original & 0o111) !== 0)) wanted |= 0o111;
    else if (letter === "s") wanted |= 0o6000;
    else if (letter === "t") wanted |= 0o1000;
    else if (letter === "u") wanted |= ((bits >> 6) & 7) * 0o111;
    else if (letter === "g") wanted |= ((bits >> 3) & 7) * 0o111;
    else if (letter === "o") wanted |= (bits & 7) * 0o111;
  }
  return wanted;
}
