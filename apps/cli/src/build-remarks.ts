import type { BuildAdvice, BuildFailure, BuildWarning, ExcerptLine } from "@plimsoll/core";
import { plain, styled } from "./render.ts";

/** Lines of a recipe with their numbers, a mark before those that something is about. */
export function excerptLines(excerpt: readonly ExcerptLine[]): readonly string[] {
  const width = String(excerpt.at(-1)?.line ?? 0).length;
  return excerpt.map(({ line, text, marked }) => {
    const shown = `  ${marked === true ? ">" : " "} ${String(line).padStart(width)}  ${plain(text)}`.trimEnd();
    return marked === true ? styled("bold", shown) : styled("dim", shown);
  });
}

/** What a build check found: one line, so that many of them can be read. */
export function warningLine({ file, line, message, check }: BuildWarning): string {
  return `${styled("yellow", "warning")}  ${plain(file)}:${line}  ${plain(message)} ${styled("dim", `(${plain(check)})`)}`;
}

/** Advice, each with why and what to type; in short only what was found. */
export function adviceLines(advice: readonly BuildAdvice[], inShort: boolean): readonly string[] {
  if (advice.length === 0) return [];
  const count = advice.length === 1 ? "1 thing" : `${advice.length} things`;
  if (inShort) return [styled("dim", `${count} could be better: ${plain(advice[0]?.message ?? "")} All of them: plim build --advise`)];
  return [
    `${count} could be better`,
    ...advice.flatMap(({ message, why, fix, file, line }) => [
      `  ${styled("bold", plain(message))}${line === undefined ? "" : styled("dim", `  ${plain(file ?? "Dockerfile")}:${line}`)}`,
      `    ${plain(why)}`,
      `    ${styled("cyan", "→")} ${plain(fix)}`,
    ]),
  ];
}

/** Of a line that was redrawn with carriage returns the last state stays. */
export function outputLine(text: string): string {
  const redrawn = text.replace(/\r+$/, "");
  return plain(redrawn.slice(redrawn.lastIndexOf("\r") + 1));
}

/** Why a build failed: where in the Dockerfile, what was said, what to do. */
export function failureLines(failure: BuildFailure): readonly string[] {
  const place =
    failure.line === undefined
      ? []
      : [`${plain(failure.file ?? "Dockerfile")}:${failure.line}    ${plain(failure.instruction ?? "")}`.trimEnd()];
  return [...place, ...excerptLines(failure.excerpt ?? []), ...failure.message.split("\n").map((line) => styled("red", plain(line)))];
}
