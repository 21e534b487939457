// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are words of Dockerfiles
import { describe, expect, it } from "vitest";
import { BuildProblem } from "../problem.ts";
import { plan } from "../testing/plan.ts";

/** Each takes a second or less on a quiet machine; without its limit, minutes or all memory. */
const SLOW = { timeout: 60_000 };
const many = (count: number, line: (index: number) => string) => Array.from({ length: count }, (_, index) => line(index)).join("\n");
const wide = 900_000;

describe("a Dockerfile made to be slow or large", () => {
  it.each([
    ["values that double", `ENV A=${"x".repeat(1_000)}\n${many(60, () => "ENV A=$A$A")}`],
    ["one word of many values", `ENV A=${"x".repeat(100_000)}\nLABEL l=${"$A".repeat(200_000)}`],
    ["a heredoc of many values", `ENV A=${"x".repeat(100_000)}\nCOPY <<E /x\n${"$A".repeat(200_000)}\nE`],
    ["slow patterns, many times", `ENV A=${"a".repeat(50_000)}\n${many(1_000, () => `LABEL l=\${A//${"*a".repeat(200)}b/x}`)}`],
    ["all ports, many times", many(4_000, () => `EXPOSE ${"0-65535 ".repeat(20)}`)],
    ["many variables", `ENV ${many(80_000, (index) => `v${index}=1`).replaceAll("\n", " ")}`],
    ["many arguments", `ARG ${many(80_000, (index) => `v${index}=1`).replaceAll("\n", " ")}`],
    ["many labels", many(4_900, (index) => `LABEL ${many(20, (inner) => `l${index}.${inner}=1`).replaceAll("\n", " ")}`)],
    [
      "large variables for many commands",
      `${many(7, (index) => `ENV v${index}=${"x".repeat(100_000)}`)}\n${many(2_400, (index) => `ENV i=${index}\nRUN x`)}`,
    ],
    ["many mounts", `RUN ${"--mount=type=tmpfs,target=/x ".repeat(20_000)} x`],
    ["many triggers", `${many(4_000, () => "ONBUILD RUN x")}\n${many(190, () => "FROM 0")}`],
  ])("is refused or planned in time: %s", SLOW, (_, lines) => {
    const begun = performance.now();
    try {
      plan(`FROM a\n${lines}`);
    } catch (error) {
      if (!(error instanceof BuildProblem)) throw error;
      expect(error.failure).toMatchObject({ file: "Dockerfile", line: expect.any(Number) });
    }
    expect(performance.now() - begun).toBeLessThan(30_000);
  });

  it.each([
    ["blanks", `RUN x${" ".repeat(wide)}y`],
    ["tabs before a comment", `${"\t".repeat(wide)}# x`],
    ["carriage returns", `RUN x${"\r".repeat(wide)}y`],
    ["a directive of blanks", `# syntax=x${" ".repeat(wide)}y\nFROM a`],
    ["a heredoc of blanks", `RUN <<${" ".repeat(wide)}<`],
    ["a mark of digits", `RUN ${"1".repeat(wide)}`],
    ["ONBUILD of ONBUILD", "ONBUILD ".repeat(wide / 8)],
    ["slashes", `COPY a${"/".repeat(wide)}b c${"/".repeat(wide / 10)}d`],
    ["quotes", `ENV A=${"'\"".repeat(wide / 2)}`],
    ["continuations", `RUN x${" \\\n".repeat(wide / 3)}`],
    ["a port of digits", `EXPOSE ${"1:".repeat(wide / 2)}`],
    ["a mode of letters", `COPY --chmod=${"u+rwx,".repeat(wide / 6)}u a b`],
    ["a duration of digits", `HEALTHCHECK --interval=${"1".repeat(wide)} CMD x`],
    ["words of a mount", `RUN --mount=${"target=/x,".repeat(wide / 10)}ro x`],
    ["an address", `ADD git@${"x".repeat(wide)} /x`],
    ["many heredocs", `COPY ${"<<E ".repeat(50_000)} /x/\n${"E\n".repeat(50_000)}`],
    ["braces", `ENV A=${"${".repeat(wide / 2)}`],
  ])("is read in time: %s", SLOW, (_, text) => {
    const begun = performance.now();
    try {
      plan(text.startsWith("#") ? text : `FROM a\n${text}`);
    } catch (error) {
      if (!(error instanceof BuildProblem)) throw error;
    }
    expect(performance.now() - begun).toBeLessThan(30_000);
  });
});
