// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are words of Dockerfiles
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDockerfile } from "../dockerfile/parse.ts";
import { checkDockerfile } from "./check.ts";
import { CHECKS, type CheckName } from "./finding.ts";

const FACTS = { isIgnored: (path: string) => path === "secret.env", baseVariables: new Map([[0, new Set(["FROM_BASE"])]]) };
const check = (text: string) => checkDockerfile(parseDockerfile(text, "Dockerfile"), text, FACTS);
const found = (text: string) => check(text).warnings.map((one) => `${one.line} ${one.check}`);

/** For each check: what it finds, in which lines, and what it lets pass. */
const CASES: Record<CheckName, { readonly bad: readonly (readonly [string, readonly number[]])[]; readonly good: readonly string[] }> = {
  ConsistentInstructionCasing: {
    bad: [
      ["FROM a\nrun b\nRUN c", [2]],
      ["from a\nrun b\nRUN c", [3]],
      ["FROM a\nRun b", [2]],
    ],
    good: ["FROM a\nRUN b", "from a\nrun b"],
  },
  CopyIgnoredFile: {
    bad: [["FROM a\nCOPY secret.env /\nADD ./secret.env /x", [2, 3]]],
    good: ["FROM a\nCOPY other /\nCOPY *.env /\nCOPY --from=b secret.env /", "FROM a\nADD https://x.example/secret.env /"],
  },
  DuplicateStageName: { bad: [["FROM a AS x\nFROM b AS X", [2]]], good: ["FROM a AS x\nFROM b AS y"] },
  ExposeInvalidFormat: {
    bad: [
      ["FROM a\nEXPOSE 127.0.0.1:80:8080", [2]],
      ["FROM a\nEXPOSE 80 90:9000", [2]],
    ],
    good: ["FROM a\nARG P=1\nEXPOSE 80 81/udp 8000-8010 $P"],
  },
  ExposeProtoCasing: { bad: [["FROM a\nEXPOSE 80/TCP", [2]]], good: ["FROM a\nEXPOSE 80/tcp 81"] },
  FromAsCasing: { bad: [["FROM a as b", [1]]], good: ["FROM a AS b", "from a as b"] },
  FromPlatformFlagConstDisallowed: {
    bad: [["FROM --platform=linux/amd64 a", [1]]],
    good: ["FROM --platform=$BUILDPLATFORM a", "FROM --platform=linux/arm64 a AS build-arm64"],
  },
  InvalidDefaultArgInFrom: {
    bad: [
      ["ARG TAG\nFROM a:$TAG", [2]],
      ["ARG IMAGE\nFROM $IMAGE", [2]],
    ],
    good: ["ARG TAG=1\nFROM a:$TAG", "ARG TAG\nFROM a:${TAG:-1}"],
  },
  InvalidDefinitionDescription: {
    bad: [["# check=experimental=all\n\n# the version\nARG VERSION=1\nFROM a", [4]]],
    good: [
      "# check=experimental=all\n\n# VERSION is what is built\nARG VERSION=1\n# about nothing\n\nFROM a AS b",
      "# the version\nARG VERSION=1\nFROM a",
    ],
  },
  JSONArgsRecommended: {
    bad: [["FROM a\nCMD node server.js\nENTRYPOINT run", [2, 3]]],
    good: ['FROM a\nCMD ["node", "server.js"]', 'FROM a\nSHELL ["/bin/bash", "-c"]\nCMD node server.js'],
  },
  LegacyKeyValueFormat: {
    bad: [["FROM a\nENV NAME some value\nLABEL one two", [2, 3]]],
    good: ["FROM a\nENV NAME=value OTHER='x y'\nLABEL a=b"],
  },
  MaintainerDeprecated: { bad: [["FROM a\nMAINTAINER Ana", [2]]], good: ["FROM a\nLABEL org.opencontainers.image.authors=Ana"] },
  MultipleInstructionsDisallowed: {
    bad: [['FROM a\nCMD ["x"]\nCMD ["y"]\nENTRYPOINT ["z"]', [2]]],
    good: ['FROM a AS b\nCMD ["x"]\nFROM a\nCMD ["y"]'],
  },
  NoEmptyContinuation: {
    bad: [["FROM a\nRUN b \\\n\n  && c\nRUN d", [3]]],
    good: ["FROM a\nRUN b \\\n  # why\n  && c\n\nRUN d", "FROM a\nRUN <<E\na \\\n\nb\nE"],
  },
  RedundantTargetPlatform: { bad: [["FROM --platform=$TARGETPLATFORM a", [1]]], good: ["FROM --platform=$BUILDPLATFORM a"] },
  ReservedStageName: { bad: [["FROM a AS context\nFROM b AS scratch", [1, 2]]], good: ["FROM a AS contexts"] },
  SecretsUsedInArgOrEnv: {
    bad: [["ARG NPM_TOKEN\nFROM a\nARG DB_PASSWORD=x\nENV AWS_SECRET_ACCESS_KEY=y", [1, 3, 4]]],
    good: ["FROM a\nARG KEYBOARD=x\nENV PUBLIC_KEY=y TOKENIZER=z"],
  },
  StageNameCasing: { bad: [["FROM a AS Build", [1]]], good: ["FROM a AS build"] },
  UndefinedArgInFrom: {
    bad: [["FROM a:$TAG", [1]]],
    good: ["ARG TAG=1\nFROM a:$TAG", "FROM --platform=$BUILDPLATFORM a:$TARGETARCH"],
  },
  UndefinedVar: {
    bad: [
      ["FROM a\nWORKDIR /$HERE", [2]],
      ["FROM a AS b\nARG HERE=1\nFROM b\nWORKDIR /$HERE", [4]],
    ],
    good: [
      "FROM a\nARG HERE=1\nENV THERE=$HERE\nWORKDIR /$THERE/$FROM_BASE/${MAYBE:-x}\nRUN echo $SHELLS",
      "FROM a AS b\nENV HERE=1\nFROM b\nWORKDIR /$HERE",
      "FROM a\nFROM unknown\nWORKDIR /$WHATEVER",
    ],
  },
  WorkdirRelativePath: {
    bad: [["FROM a\nWORKDIR app", [2]]],
    good: ["FROM a\nWORKDIR /srv\nWORKDIR app", "FROM a AS b\nWORKDIR /srv\nFROM b\nWORKDIR app"],
  },
};

describe("build checks", () => {
  for (const name of CHECKS) {
    it(`${name} finds what it is for, and nothing else`, () => {
      for (const [text, lines] of CASES[name].bad)
        expect(
          found(text).filter((one) => one.endsWith(` ${name}`)),
          text,
        ).toEqual(lines.map((line) => `${line} ${name}`));
      for (const text of CASES[name].good)
        expect(
          found(text).filter((one) => one.endsWith(` ${name}`)),
          text,
        ).toEqual([]);
    });
  }

  it("finds nothing in a Dockerfile as it should be", () => {
    expect(
      found('FROM a AS build\nWORKDIR /app\nCOPY . .\nRUN make\nFROM a\nCOPY --from=build /app /app\nUSER 1000\nCMD ["/app/run"]\n'),
    ).toEqual([]);
  });

  it("says what to do, shows the lines, and keeps their order", () => {
    const [first, second] = check("FROM a\nMAINTAINER Ana\nCMD node server.js").warnings;
    expect(first).toMatchObject({ check: "MaintainerDeprecated", file: "Dockerfile", line: 2 });
    expect(second?.message).toMatch(/CMD \["node", "server.js"\]$/);
    expect(second?.excerpt).toEqual([
      { line: 1, text: "FROM a" },
      { line: 2, text: "MAINTAINER Ana" },
      { line: 3, text: "CMD node server.js", marked: true },
    ]);
  });

  it("heeds # check=: what is skipped, and whether a finding ends the build", () => {
    const body = "FROM a\nMAINTAINER Ana\nCMD node server.js";
    expect(found(`# check=skip=JSONArgsRecommended\n${body}`)).toEqual(["3 MaintainerDeprecated"]);
    expect(found(`# syntax=docker/dockerfile:1\n# check=skip=all\n${body}`)).toEqual([]);
    expect(check(`# check=skip=jsonargsrecommended,MaintainerDeprecated;error=true\n${body}`)).toEqual({ warnings: [], isError: false });
    expect(check(`# check=error=true\n${body}`)).toMatchObject({ isError: true });
    expect(check(body)).toMatchObject({ isError: false });
    // No directive any more: something else stands above.
    expect(found(`# a comment\n# check=skip=all\n${body}`)).toHaveLength(2);
  });

  it("ends in no error and in no endless loop, whatever the file is made of", () => {
    const piece = fc.constantFrom(
      ..."FROM |from |a|AS |as b|\n|\\\n|\\|# check=|# x\n|ENV |ARG |WORKDIR |COPY |EXPOSE |CMD |$|${|:-|}|{|=|\"|'|[|]|:|/|--platform=|<<E\n|E\n| |\t|ONBUILD |é".split(
        "|",
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const text = `FROM a\n${pieces.join("")}`;
        let dockerfile: ReturnType<typeof parseDockerfile>;
        try {
          dockerfile = parseDockerfile(text, "Dockerfile");
        } catch {
          return;
        }
        for (const { line } of checkDockerfile(dockerfile, text, FACTS).warnings) expect(line).toBeGreaterThan(0);
      }),
      { numRuns: 2_000 },
    );
  });

  it("does not end in what is odd", () => {
    for (const text of ["FROM ${", "FROM $", "FROM a\nWORKDIR ${", "FROM a\nENV a=${b", "FROM a\nEXPOSE /", "FROM a\nCOPY [] /"]) {
      try {
        parseDockerfile(text, "Dockerfile");
      } catch {
        continue;
      }
      expect(() => check(text), text).not.toThrow();
    }
    expect(check(`FROM a\n${"MAINTAINER x\n".repeat(200)}`).warnings).toHaveLength(50);
  });
});
