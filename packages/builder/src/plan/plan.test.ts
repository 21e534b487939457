// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are words of Dockerfiles
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BuildProblem } from "../problem.ts";
import { plan, problemOf } from "../testing/plan.ts";
import { DEFAULT_PATH } from "./evaluator.ts";
import { fromSteps, listSteps, type StageSteps } from "./steps.ts";

/** Many examples, on a machine that may be busy. */
const SLOW = { timeout: 60_000 };

const runEnv = (stage: StageSteps) =>
  Object.fromEntries((stage.steps.find((step) => step.type === "run")?.env ?? []).map((entry) => entry.split(/=(.*)/s, 2)));

describe("planStages", () => {
  it("keeps only the stages that the target reaches", () => {
    const text =
      "FROM a AS one\nFROM b AS two\nFROM one AS three\nCOPY --from=two /x /x\nFROM c AS four\nCOPY --from=THREE / /\nFROM d AS five\n";
    const reached = (target?: string) => plan(text, target === undefined ? {} : { target }).plan.stages.map(({ label }) => label);
    expect(reached()).toEqual(["five"]);
    expect(reached("four")).toEqual(["one", "two", "three", "four"]);
    expect(reached("Three")).toEqual(["one", "two", "three"]);
    expect(reached("0")).toEqual(["one"]);
  });

  it("does not mind what stages copy that nobody needs", () => {
    const text = "FROM a\nCOPY --from=1 /x /\nCOPY --from=later /x /\nRUN --mount=type=nonsense x\nFROM a AS later\n";
    expect(plan(text).plan.stages).toHaveLength(1);
    expect(problemOf(text, { target: "0" }).line).toBe(2);
  });

  it("knows which stage was meant by an image that nearly has its name", () => {
    const { plan: stages } = plan("FROM a AS build\nFROM node:22\nCOPY --from=Biuld /x /x\nCOPY --from=build /x /x");
    expect(stages.images.map(({ reference, meant }) => [reference, meant])).toEqual([
      ["a", undefined],
      ["node:22", undefined],
      ["Biuld", "build"],
    ]);
  });

  it("tells stages, numbers and images apart", () => {
    const { plan: stages } = plan("FROM a\nFROM a AS b\nCOPY --from=0 /x /\nCOPY --from=nginx:1 /y /\nCOPY --from=B0 /z /\nFROM b\n", {
      target: "1",
    });
    expect(Object.fromEntries(stages.stages.at(-1)?.origins ?? [])).toEqual({
      "0": { kind: "stage", index: 0 },
      "nginx:1": { kind: "image", reference: "nginx:1" },
      B0: { kind: "image", reference: "B0" },
    });
    expect(stages.images.map(({ reference, at }) => [reference, at.line])).toEqual([
      ["a", 1],
      ["nginx:1", 4],
      ["B0", 5],
    ]);
  });

  it("expands global arguments in FROM, given ones first", () => {
    const text = "ARG V=22\nARG IMAGE=node:$V\nFROM --platform=$BUILDPLATFORM ${IMAGE}-slim\n";
    expect(plan(text).plan.images[0]?.reference).toBe("node:22-slim");
    expect(plan(text, { buildArgs: { V: "24" } }).plan.images[0]?.reference).toBe("node:24-slim");
  });

  it.each([
    ["FROM $X", {}, "empty here"],
    ["FROM --platform=linux/arm64 a", {}, "this host's platform only"],
    ["FROM --platform=linux/amd64/v3 a", {}, "this host's platform only"],
    ["FROM --platform=windows/amd64 a", {}, "this host's platform only"],
    ["FROM --platform=$NONE a", {}, "is empty here"],
    ["FROM a\nCOPY --from=docker-image://x a b", {}, "build context"],
    ["FROM a\nCOPY --from=$X a b", {}, "takes no variables"],
    ["FROM a\nCOPY --from=0 a b", {}, "no stage 0"],
    ["FROM a\nCOPY --from=7 a b", {}, "last stage has number 0"],
    ["FROM a\nCOPY --from=later a b\nFROM b AS later", { target: "0" }, "move it above"],
    ["FROM a AS self\nCOPY --from=self a b", {}, "cannot copy from itself"],
    ["FROM a AS b\nFROM c", { target: "d" }, "its stages are b"],
    ['FROM "a', {}, "never closed"],
  ])("explains %j", (text, given, advice) => {
    const failure = problemOf(text, given);
    expect(failure).toMatchObject({ file: "Dockerfile", line: expect.any(Number) });
    expect(failure.message).toContain(advice);
  });
});

describe("planSteps", () => {
  it("gives FROM and stages the platform and the target's name where they are declared", () => {
    const text =
      "ARG TARGETARCH\nFROM --platform=$TARGETPLATFORM a-$TARGETARCH AS web\nRUN x\nARG TARGETARCH BUILDPLATFORM TARGETSTAGE TARGETVARIANT\nRUN y";
    const { plan: stages, last } = plan(text);
    expect(stages.images[0]?.reference).toBe("a-amd64");
    const [before, after] = last.steps.map((step) => (step.type === "run" ? step.env : []));
    expect(before?.join()).not.toContain("TARGET");
    expect(after).toEqual(expect.arrayContaining(["TARGETARCH=amd64", "BUILDPLATFORM=linux/amd64", "TARGETSTAGE=web", "TARGETVARIANT="]));
  });

  it.each(["linux/amd64", "amd64", "linux/x86_64", "x86_64", "linux", "linux/amd64/v1", "LINUX/AMD64"])(
    "takes %s for this host",
    (platform) => {
      expect(plan(`FROM --platform=${platform} a`).plan.images).toHaveLength(1);
    },
  );

  it("gives one instruction one environment", () => {
    const { last } = plan("FROM a\nENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc\nRUN x");
    expect(runEnv(last)).toMatchObject({ abc: "bye", def: "hello", ghi: "bye" });
  });

  it("scopes arguments: global ones only where declared again, a child stage inherits", () => {
    const { steps } = plan("ARG G=g\nFROM a AS one\nRUN x\nFROM a AS two\nARG G\nARG D=d$G U\nRUN x\nFROM two\nRUN x\n", { target: "2" });
    expect(runEnv(steps[0] as StageSteps)).toMatchObject({ G: "g", D: "dg" });
    expect(runEnv(steps[1] as StageSteps)).toMatchObject({ G: "g", D: "dg" });
    expect(runEnv(steps[0] as StageSteps)).not.toHaveProperty("U");
    expect(runEnv(plan("ARG G=g\nFROM a\nRUN x").last)).not.toHaveProperty("G");
    expect(plan("FROM a\nARG X=1\nENV Y=$X\nRUN x", { buildArgs: { X: "2", Z: "3" } }).last.config.env).toEqual([
      "PATH=/bin",
      "BASE=b",
      "Y=2",
    ]);
  });

  it("keeps proxies that nobody declares out of the environment that names the result", () => {
    const [step] = plan("FROM a\nRUN x", { buildArgs: { HTTP_PROXY: "p", other: "o" } }).last.steps;
    expect(step).toMatchObject({ proxies: ["HTTP_PROXY=p", "http_proxy=p"], env: ["BASE=b", "PATH=/bin"] });
    expect(plan("FROM a\nARG HTTP_PROXY\nRUN x", { buildArgs: { HTTP_PROXY: "p" } }).last.steps[0]).toMatchObject({
      proxies: [],
      env: expect.arrayContaining(["HTTP_PROXY=p"]),
    });
  });

  it("expands where Docker does and not in commands", () => {
    const { last } = plan(
      'FROM a\nENV A=x B="y z"\nCOPY --chown=$A $A ${B} /$A/\nRUN echo $A\nCMD ["$A"]\nLABEL k$A="$B"\nEXPOSE 80${NONE} 90-91/UDP\nUSER $A:g\nWORKDIR $A\n',
    );
    expect(last.steps).toMatchObject([
      { type: "copy", chown: "x", sources: ["x", "y z"], destination: "/x/" },
      { type: "run", argv: ["/bin/sh", "-c", "echo $A"], cwd: "/base" },
      { type: "workdir", path: "/base/x", user: "x:g" },
    ]);
    expect(last.config).toMatchObject({
      cmd: ["$A"],
      labels: { from: "base", kx: "y z" },
      exposedPorts: ["1/tcp", "80/tcp", "90/udp", "91/udp"],
      user: "x:g",
      workingDir: "/base/x",
    });
  });

  it("clears an inherited CMD with ENTRYPOINT, not one of the same stage", () => {
    expect(plan('FROM a\nENTRYPOINT ["e"]').last.config).toMatchObject({ entrypoint: ["e"], cmd: [] });
    expect(plan('FROM a\nCMD c\nENTRYPOINT ["e"]').last.config).toMatchObject({ entrypoint: ["e"], cmd: ["/bin/sh", "-c", "c"] });
    expect(plan("FROM a AS b\nCMD c\nFROM b\nENTRYPOINT e").last.config).toMatchObject({ entrypoint: ["/bin/sh", "-c", "e"], cmd: [] });
    expect(plan("FROM a\nCMD []").last.config).toMatchObject({ entrypoint: ["/base"], cmd: [] });
  });

  it("adds a PATH where the base has none", () => {
    expect(plan("FROM scratch\nENV A=1").last.config.env).toEqual([`PATH=${DEFAULT_PATH}`, "A=1"]);
    expect(plan("FROM a", { base: { env: [] } }).last.config.env).toEqual([`PATH=${DEFAULT_PATH}`]);
  });

  it.each([
    ["a b", "/base/b"],
    ["a .", "/base/"],
    ["a ./", "/base/"],
    ["a ../x", "/x"],
    ["a ../../../x/", "/x/"],
    ["a /", "/"],
    ["a /x/../y", "/y"],
    ['["a", "b c"]', "/base/b c"],
  ])("COPY %s goes to %s", (args, destination) => {
    expect(plan(`FROM a\nCOPY ${args}`).last.steps[0]).toMatchObject({ destination });
  });

  it.each([
    ["USER $NONE", "empty here"],
    ["EXPOSE 70000", "is no port"],
    ["EXPOSE 1:x", "is no port"],
    ["COPY --chmod=999 a b", "no mode"],
    ["COPY --chmod=u+q a b", "octal"],
    ["COPY https://x.test/y z", "write ADD"],
    ["COPY git@x.test:y z", "write ADD"],
    ["ENV ${NONE}=1", "no usable name"],
    ["WORKDIR ${X:=1}", "not supported"],
  ])("explains %s", (line, advice) => {
    const failure = problemOf(`FROM a\n${line}`);
    expect(failure).toMatchObject({ file: "Dockerfile", line: 2, instruction: line });
    expect(failure.message).toContain(advice);
  });

  it("keeps messages on one readable line, whatever the file says", () => {
    const { message } = problemOf(`FROM --platform=$${"a".repeat(5_000)} b`);
    expect(message).toMatch(/^"\$aaa.*…a+" is empty here; write/);
    expect(message.length).toBeLessThan(700);
  });

  it("answers any file with steps or a problem that has file and line", SLOW, () => {
    const word = fc.oneof(
      fc.constantFrom(
        "$A",
        "${A:-b}",
        "${B?x}",
        '"',
        "'",
        "\\",
        "/x/",
        "..",
        "0",
        "one",
        "80/tcp",
        "--from=one",
        "--mount=type=secret,id=$A,mode=0",
        "--mount=from=one,target=x,source=..",
        "--link",
        "--exclude=*",
        "--chmod=u+x",
        "--checksum=sha256:0",
        "https://x.test/a.git?ref=b#c:d",
        "git@x.test:a#b",
        "<<E",
        "SIGINT",
        "--chown=$A",
        "a=b",
        "[",
        "*",
      ),
      fc.string({ maxLength: 4 }),
    );
    const keyword = fc.constantFrom(
      ...["RUN", "COPY", "ADD", "ENV", "ARG", "WORKDIR", "USER", "EXPOSE", "CMD", "ENTRYPOINT", "LABEL", "FROM", "VOLUME", "STOPSIGNAL"],
      ...[
        "SHELL",
        "HEALTHCHECK",
        "HEALTHCHECK CMD",
        "MAINTAINER",
        "ONBUILD RUN",
        "ONBUILD",
        "RUN --mount=type=cache,target=/c",
        "RUN <<E\nx\nE\n#",
      ],
    );
    const line = fc.tuple(keyword, fc.array(word, { minLength: 1, maxLength: 4 })).map(([name, words]) => `${name} ${words.join(" ")}`);
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.constantFrom(undefined, "one", "0", "x"), (lines, target) => {
        try {
          plan(["ARG A=1", "FROM a AS one", ...lines].join("\n"), target === undefined ? {} : { target });
        } catch (error) {
          if (!(error instanceof BuildProblem)) throw error;
          expect(error.failure).toMatchObject({ file: "Dockerfile", line: expect.any(Number) });
          expect(error.failure.message.length).toBeGreaterThan(10);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("numbers steps as they were listed before any image was known", SLOW, () => {
    const instruction = fc.constantFrom(
      "RUN x",
      "ENV A=1",
      "COPY a b",
      "WORKDIR /",
      "WORKDIR w",
      "LABEL a=b",
      "CMD c",
      "COPY --from=0 a b",
    );
    fc.assert(
      fc.property(fc.array(fc.array(instruction, { maxLength: 5 }), { minLength: 1, maxLength: 5 }), fc.nat(4), (stages, target) => {
        const text = stages
          .map((lines, index) => ["FROM a", ...lines.filter((line) => index > 0 || !line.includes("--from"))].join("\n"))
          .join("\n");
        const { plan: staged, steps } = plan(text, { target: String(target % stages.length) });
        const listed = listSteps(staged);
        const planned = steps.flatMap(({ from, steps: own }) => [from, ...own]);
        expect(planned.map(({ index, label }) => [index, label])).toEqual(listed.map(({ index, label }) => [index, label]));
        expect([...fromSteps(staged).values()]).toEqual(steps.map(({ from }) => from.index));
      }),
    );
  });
});
