// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are words of Dockerfiles
import { describe, expect, it } from "vitest";
import { plan, problemOf } from "../testing/plan.ts";
import { listSteps } from "./steps.ts";

const config = (text: string, base = {}) => plan(`FROM a\n${text}`, { base }).last.config;

describe("image config", () => {
  it("keeps volumes of the base, each once, variables expanded", () => {
    expect(config('ARG D=/d\nVOLUME $D /a\nVOLUME ["/a", "/b c"]', { volumes: ["/base"] }).volumes).toEqual(["/base", "/d", "/a", "/b c"]);
    expect(problemOf("FROM a\nVOLUME $NONE").message).toContain("is empty here");
  });

  it.each(["SIGINT", "int", "9", "SIGRTMIN+3", "RTMAX-14", "64"])("keeps the stop signal %s as written", (signal) => {
    expect(config(`ARG S=${signal}\nSTOPSIGNAL $S`).stopSignal).toBe(signal);
  });
  it.each(["SIGFOO", "0", "65", "$NONE", "RTMIN+16", "constructor", "TERM INT"])("refuses the stop signal %s", (signal) => {
    expect(problemOf(`FROM a\nSTOPSIGNAL ${signal}`)).toMatchObject({ line: 2, message: expect.stringContaining("no signal") });
  });

  it("keeps the last health check; NONE takes that of the base away", () => {
    const base = { healthcheck: { test: ["CMD", "/base"], retries: 7 } };
    expect(config("RUN x", base).healthcheck).toEqual(base.healthcheck);
    expect(config("HEALTHCHECK --retries=2 CMD a $X\nHEALTHCHECK --interval=5s CMD b $X", base).healthcheck).toEqual({
      test: ["CMD-SHELL", "b $X"],
      intervalNs: 5e9,
    });
    expect(config('SHELL ["/s"]\nHEALTHCHECK CMD ["/p", "x"]').healthcheck).toEqual({ test: ["CMD", "/p", "x"] });
    expect(config("HEALTHCHECK NONE", base).healthcheck).toEqual({ test: ["NONE"] });
  });

  it("keeps the maintainer as author, as written", () => {
    expect(config('MAINTAINER  Jane "J" $X <j@x.test>').author).toBe('Jane "J" $X <j@x.test>');
  });

  it.each([
    ["8080", ["8080/tcp"]],
    ["53/UDP 54/", ["53/udp", "54/tcp"]],
    ["8000-8002/sctp", ["8000/sctp", "8001/sctp", "8002/sctp"]],
    ["127.0.0.1:80:8080 9000:90", ["8080/tcp", "90/tcp"]],
    ["${NONE:-1} $P", ["2/tcp", "3/tcp"]],
  ])("exposes %s", (ports, expected) => {
    const { exposedPorts } = config(`ENV P="2 3"\nEXPOSE ${ports}`);
    expect(exposedPorts).toEqual(expect.arrayContaining(expected));
  });
});

describe("ONBUILD", () => {
  it("is kept for those who build on the image, as written", () => {
    const text = "ONBUILD RUN echo $X \\\n  && y\nonbuild copy --chown=1 a /b\nONBUILD RUN <<E\nx\nE\n";
    expect(config(text).onBuild).toEqual(["RUN echo $X   && y", "copy --chown=1 a /b", "RUN <<E\nx\nE"]);
  });

  it("of a base runs first, sees the stage's variables, is told of at the FROM, and is not handed on", () => {
    const onBuild = ["ARG V=1", "ENV T=$V", "COPY --from=img:2 /x /y", "RUN <<E\nz\nE", "WORKDIR sub"];
    const { plan: stages, steps, last } = plan("FROM a AS one\nRUN own\nFROM one\nRUN last", { base: { onBuild } });
    expect(stages.images.map(({ reference }) => reference)).toEqual(["a", "img:2"]);
    expect(steps[0]?.steps).toMatchObject([
      {
        type: "copy",
        from: { kind: "image", reference: "img:2" },
        index: 0,
        at: { line: 1, instruction: "ONBUILD COPY --from=img:2 /x /y" },
      },
      { type: "run", argv: ["/bin/sh", "-c", "z\n"], index: 0 },
      { type: "workdir", path: "/base/sub", index: 0 },
      { type: "run", cwd: "/base/sub", env: expect.arrayContaining(["T=1"]), index: 1 },
    ]);
    expect(listSteps(stages).map(({ label }) => label)).toEqual(["FROM a AS one", "RUN own", "FROM one", "RUN last"]);
    expect(last.steps).toMatchObject([{ argv: ["/bin/sh", "-c", "last"], index: 3 }]);
    expect(last.config).not.toHaveProperty("onBuild");
  });

  it("of a stage runs in the stages on it, and not in those on them", () => {
    const { steps } = plan("FROM a AS one\nONBUILD RUN trigger\nFROM one AS two\nRUN own\nFROM two\nRUN last");
    expect(steps.map(({ steps: own }) => own.map((step) => (step.type === "run" ? step.argv[2] : step.type)))).toEqual([
      [],
      ["trigger", "own"],
      ["last"],
    ]);
    expect(steps.map(({ config: { onBuild } }) => onBuild)).toEqual([["RUN trigger"], undefined, undefined]);
  });

  it("of a base may need stages that nothing else needs", () => {
    const { plan: stages, steps } = plan("FROM b AS extra\nRUN e\nFROM a\nRUN own", {
      base: { onBuild: ["COPY --from=extra /x /y"] },
      target: "1",
    });
    expect(stages.stages.map(({ label, isLate }) => [label, isLate])).toEqual([
      ["extra", true],
      ["1", false],
    ]);
    expect(listSteps(stages).map(({ label }) => label)).toEqual(["FROM a", "RUN own"]);
    expect(steps.flatMap(({ steps: own }) => own.map(({ index }) => index))).toEqual([0, 0, 1]);
  });

  it("says at the FROM what is wrong with a base's trigger", () => {
    expect(problemOf("FROM a", { base: { onBuild: ["RNU x"] } })).toMatchObject({
      file: "Dockerfile",
      line: 1,
      instruction: "ONBUILD RNU x",
      message: expect.stringContaining("did you mean RUN"),
    });
  });
});
