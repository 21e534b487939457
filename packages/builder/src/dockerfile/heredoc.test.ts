// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are words of Dockerfiles
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BuildProblem } from "../problem.ts";
import { contentOf, readMark, readMarks } from "./heredoc.ts";
import { readLines } from "./lines.ts";
import { WordError } from "./word-error.ts";

/** Many examples, on a machine that may be busy. */
const SLOW = { timeout: 60_000 };

const read = (text: string) => readLines(`FROM a\n${text}`, "Dockerfile").instructions.slice(1);
const failure = (text: string) => {
  try {
    read(text);
  } catch (error) {
    if (error instanceof BuildProblem) return error.failure;
    throw error;
  }
  throw new Error("it was read");
};

describe("readMark", () => {
  it.each(["<<EOF", "<<'EOF'", '<<"EOF"', "<<-EOF", "<<-'EOF'", '<<-"EOF"', '<<EO"F"', "<< EOF", "<<- EOF", "3<<EOF"])(
    "knows %s",
    (word) => {
      expect(readMark(word)?.name).toBe("EOF");
    },
  );
  it.each(["", "EOF", "<<", "<<-", "<EOF", "<<<EOF", "<<EOF sh"])("%j is none", (word) => {
    expect(readMark(word)).toBeUndefined();
  });
  it.each(["<<'EOF", '<<"EOF', "<<EOF'"])("%s has an open quote", (word) => {
    expect(() => readMark(word)).toThrow(WordError);
  });
  it.each([
    ["<<EOF", true, false],
    ["<<-EOF", true, true],
    ["<<'EOF'", false, false],
    ['<<E"O"F', false, false],
    ["<<eo\\'f", true, false],
    ["<<'e'o\\'f", false, false],
  ])("%s: expanded %s, tabs go %s", (word, expand, chomp) => {
    expect(readMark(word)).toMatchObject({ expand, chomp });
  });
});

describe("readMarks", () => {
  it.each([
    ["RUN <<EOF", ["EOF"]],
    ["RUN <<-EOF", ["EOF"]],
    ["RUN <<'EOF' python", ["EOF"]],
    ["RUN cat <<A <<B > x", ["A", "B"]],
    ["RUN << EOF > foo", ["EOF"]],
    ['RUN "<<EOF"', []],
    ["RUN echo $((1<<2))", []],
    ["RUN cat <<< x", []],
    ["RUN <<'one two'", ["one two"]],
    ["RUN <<$EOF", ["$EOF"]],
    ["COPY <<a.txt <<b.txt /x/", ["a.txt", "b.txt"]],
  ])("%s", (line, names) => {
    expect(readMarks(line).map(({ name }) => name)).toEqual(names);
  });
});

describe("heredocs of a file", () => {
  it("takes the lines as they stand: comments, continuations and blank lines", () => {
    const [run, next] = read("RUN <<EOF\n# comment\n\n\techo \\\n  x\nEOF\nRUN y\n");
    expect(run?.heredocs).toMatchObject([{ name: "EOF", content: "# comment\n\n\techo \\\n  x\n" }]);
    expect(next).toMatchObject({ keyword: "RUN", rest: "y", at: { line: 8 } });
  });

  it("reads several of one line in order, one inside the other's reach", () => {
    const [copy] = read("COPY <<X <<Y /dest\nY\nX\nX\nY\n");
    expect(copy?.heredocs.map(({ content }) => content)).toEqual(["Y\n", "X\n"]);
  });

  it("ends `<<-` behind tabs, and `<<` at the bare name only", () => {
    expect(read("RUN <<-E\n\ta\n\t\tE\n")[0]?.heredocs.map(contentOf)).toEqual(["a\n"]);
    expect(read("RUN <<E\n\tE\nE\n")[0]?.heredocs.map(contentOf)).toEqual(["\tE\n"]);
  });

  it("keeps carriage returns and ends at a name with one", () => {
    expect(read("RUN <<E\r\na\r\nE\r\n")[0]?.heredocs[0]?.content).toBe("a\r\n");
  });

  it("is known behind flags, continuations and ONBUILD, and not in JSON, CMD or USER", () => {
    expect(read("RUN --mount=type=cache,target=/x \\\n  <<E\nb\nE\n")[0]?.heredocs).toHaveLength(1);
    expect(read("ONBUILD RUN <<E\nb\nE\n")[0]?.heredocs).toHaveLength(1);
    expect(read('RUN ["<<E"]\nCMD <<E\nUSER <<E\nLABEL a=<<E\n').map(({ heredocs }) => heredocs.length)).toEqual([0, 0, 0, 0]);
  });

  it.each([
    ["RUN <<EOF\nx\n", "a line with nothing but EOF"],
    ["COPY <<A <<B /x/\na\nA\n", "nothing but B"],
    ["RUN <<EOF\nx\n EOF\n", "nothing but EOF"],
    ["RUN <<E\na\0b\nE\n", "NUL"],
  ])("explains %j", (text, advice) => {
    expect(failure(text)).toMatchObject({ file: "Dockerfile", line: 2, message: expect.stringContaining(advice) });
  });

  it("gives back any content that does not hold its own end", SLOW, () => {
    const line = fc.string({ maxLength: 12 }).map((text) => text.replace(/[\n\0]/g, ""));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        fc.pre(!lines.some((one) => one.replace(/\r+$/, "") === "END"));
        const [run, next] = read(`RUN <<END\n${lines.map((one) => `${one}\n`).join("")}END\nRUN y\n`);
        expect(run?.heredocs[0]?.content).toBe(lines.map((one) => `${one}\n`).join(""));
        expect(next?.rest).toBe("y");
      }),
    );
  });
});
