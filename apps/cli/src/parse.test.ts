import { AppError } from "@plimsoll/core/errors";
import { describe, expect, it } from "vitest";
import { candidates } from "./completion.ts";
import { exitCodeOf } from "./failure.ts";
import { parse, parseTakes } from "./parse.ts";
import { COMMANDS } from "./table.ts";

const read = (line: string) => {
  const { spec, arguments: words, options } = parse(COMMANDS, line.split(" "));
  return { name: spec.name, words: Object.fromEntries(words), options: Object.fromEntries(options) };
};

function refusal(line: string): string {
  try {
    parse(COMMANDS, line === "" ? [] : line.split(" "));
  } catch (error) {
    expect(exitCodeOf(error)).toBe(2);
    return (error as AppError).message;
  }
  throw new Error(`${line} was taken`);
}

describe("a command line", () => {
  it("takes the longest command that its words begin with", () => {
    expect(read("describe shop")).toMatchObject({ name: "describe", words: { app: ["shop"] } });
    expect(read("describe deployment 15 -a shop")).toEqual({
      name: "describe deployment",
      words: { number: ["15"] },
      options: { app: ["shop"] },
    });
    expect(read("env shop")).toMatchObject({ name: "env", words: { app: ["shop"] } });
    expect(read("env set shop A=1 B=2")).toMatchObject({ name: "env set", words: { app: ["shop"], "NAME=value": ["A=1", "B=2"] } });
    expect(read("apps delete shop -y")).toMatchObject({ name: "destroy", options: { yes: [""] } });
  });

  it("leaves the app out where the first word is none", () => {
    expect(read("scale web=3 worker=0").words).toEqual({ "process=count": ["web=3", "worker=0"] });
    expect(read("scale shop web=3").words).toEqual({ app: ["shop"], "process=count": ["web=3"] });
    expect(read("quota set memory=3GiB").words).toEqual({ "dimension=amount": ["memory=3GiB"] });
    expect(read("env A=1").words).toEqual({ "NAME=value": ["A=1"] });
  });

  it("takes options anywhere, and what follows -- as it is", () => {
    expect(read("logs -f shop --tail=5 -n acme/store")).toMatchObject({
      words: { app: ["shop"] },
      options: { follow: [""], tail: ["5"], namespace: ["acme/store"] },
    });
    expect(read("__complete -- logs -")).toMatchObject({ words: { word: ["logs", "-"] } });
    expect(read("hosts add --role build --role ingress").options).toEqual({ role: ["build", "ingress"] });
  });

  it.each([
    ["aps", /no command `aps`. Did you mean apps\?/],
    ["describe deployment", /needs number: plim describe deployment <number>/],
    ["describe deploymnt 15", /`15` is too much.*Did you mean plim describe deployment\?/],
    ["logs --folow", /no option --folow. Did you mean --follow\?/],
    ["logs --tail", /--tail needs a value: lines/],
    ["logs --follow=yes", /--follow takes no value/],
    ["logs -n a/b -n c/d", /-n was given twice/],
    ["ps -o yaml", /-o is json or text/],
    ["scale", /needs process=count/],
    ["namespace", /Did you mean namespaces\?/],
    ["-n acme/store apps", /A command comes first/],
    ["ps shop other", /`other` is too much: plim ps \[app\]/],
  ])("%s is refused with what is right", (line, sentence) => expect(refusal(line)).toMatch(sentence));
});

describe("the table", () => {
  it("has each name once, and arguments that can be told apart", () => {
    const names = COMMANDS.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
    for (const { takes, name } of COMMANDS) {
      const declared = parseTakes(takes);
      expect(
        declared.slice(0, -1).filter(({ many }) => many),
        name,
      ).toEqual([]);
      // Left out in front of others, an argument must be known from them.
      const [first, second] = declared;
      if (first?.required === false && second?.required === true) expect(second.name, name).toContain("=");
    }
  });

  it("names options once in each command, and loads the code of every command", async () => {
    for (const spec of COMMANDS) {
      const letters = [...(spec.options ?? []).flatMap(({ short = "" }) => short), "o", "h"].filter((letter) => letter !== "");
      expect(new Set(letters).size, spec.name).toBe(letters.length);
      expect(await spec.load(), spec.name).toBeTypeOf("function");
    }
  });
});

describe("completion", () => {
  const offline = { client: () => Promise.reject(new AppError("unauthenticated", "no")) };
  it.each([
    [["des"], ["describe", "destroy"]],
    [["describe", "depl"], ["deployment"]],
    [
      ["secrets", ""],
      ["list", "reveal", "set", "unset"],
    ],
    [["logs", "--f"], ["--follow"]],
    [["logs", "-f", "shop", "--ta"], ["--tail"]],
    [
      ["host", ""],
      ["add", "list"],
    ],
  ])("of %j offers %j", async (words, expected) => expect(await candidates(COMMANDS, words, offline)).toEqual(expected));
});
