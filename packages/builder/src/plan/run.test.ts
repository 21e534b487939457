// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are words of Dockerfiles
import { describe, expect, it } from "vitest";
import { plan, problemOf } from "../testing/plan.ts";
import type { RunAction, RunMount } from "./actions.ts";

function run(lines: string): RunAction {
  const step = plan(`FROM a AS tools\nFROM a\n${lines}`).last.steps.findLast(({ type }) => type === "run");
  if (step?.type !== "run") throw new Error("there is no RUN");
  return step;
}
const mount = (flag: string, before = ""): RunMount | undefined => run(`${before}\nRUN --mount=${flag} x`).mounts[0];

describe("RUN --mount", () => {
  it.each([
    ["type=bind,target=/x", { type: "bind", target: "/x", from: { kind: "context" }, source: "/", readOnly: true }],
    ["target=/x,source=a/../b,rw", { type: "bind", target: "/x", from: { kind: "context" }, source: "/b", readOnly: false }],
    ["dst=x,src=../../b", { type: "bind", target: "/base/x", from: { kind: "context" }, source: "/b", readOnly: true }],
    [
      "from=tools,destination=/x,readwrite=false",
      { type: "bind", target: "/x", from: { kind: "stage", index: 0 }, source: "/", readOnly: true },
    ],
    ["from=0,target=/x", { type: "bind", target: "/x", from: { kind: "stage", index: 0 }, source: "/", readOnly: true }],
    [
      "from=nginx:1,target=/x,ro=0",
      { type: "bind", target: "/x", from: { kind: "image", reference: "nginx:1" }, source: "/", readOnly: false },
    ],
    [
      "type=cache,target=/root/.npm/",
      {
        type: "cache",
        target: "/root/.npm",
        id: "/root/.npm/",
        sharing: "shared",
        readOnly: false,
        source: "/",
        mode: 0o755,
        uid: 0,
        gid: 0,
      },
    ],
    [
      "type=CACHE,target=/c,id=k,sharing=Locked,mode=0700,uid=7,gid=8,ro,from=tools,source=s",
      {
        type: "cache",
        target: "/c",
        id: "k",
        sharing: "locked",
        readOnly: true,
        source: "/s",
        from: { kind: "stage", index: 0 },
        mode: 0o700,
        uid: 7,
        gid: 8,
      },
    ],
    ["type=tmpfs,target=/t", { type: "tmpfs", target: "/t" }],
    ["type=tmpfs,target=/t,size=64m", { type: "tmpfs", target: "/t", sizeBytes: 64 * 1024 * 1024 }],
    ["type=secret,id=token", { type: "secret", id: "token", target: "/run/secrets/token", required: false, mode: 0o400, uid: 0, gid: 0 }],
    ["type=secret,src=a/b", { type: "secret", id: "a/b", target: "/run/secrets/b", required: false, mode: 0o400, uid: 0, gid: 0 }],
    [
      "type=secret,target=/etc/npmrc,required",
      { type: "secret", id: "npmrc", target: "/etc/npmrc", required: true, mode: 0o400, uid: 0, gid: 0 },
    ],
    ["type=secret,id=t,env=TOKEN", { type: "secret", id: "t", env: "TOKEN", required: false, mode: 0o400, uid: 0, gid: 0 }],
    [
      "type=secret,id=t,env=T,target=/t,mode=0444,required=true",
      { type: "secret", id: "t", env: "T", target: "/t", required: true, mode: 0o444, uid: 0, gid: 0 },
    ],
    ["type=ssh", { type: "ssh", id: "default", target: "/run/buildkit/ssh_agent.0", required: false, mode: 0o600, uid: 0, gid: 0 }],
    ["type=ssh,id=k,target=/s,required", { type: "ssh", id: "k", target: "/s", required: true, mode: 0o600, uid: 0, gid: 0 }],
  ])("%s", (flag, expected) => {
    expect(mount(flag)).toEqual(expected);
  });

  it("expands variables in values, and takes quoted parts whole", () => {
    expect(mount("type=$T,target=/x/${N:-n},id=a-$N", "ARG T=cache N=m")).toMatchObject({ type: "cache", target: "/x/m", id: "a-m" });
    expect(mount("'type=bind,\"source=a,b\",target=/x'")).toMatchObject({ source: "/a,b" });
  });

  it("keeps the order, and counts agents", () => {
    const { mounts } = run("RUN --mount=type=ssh --mount=type=tmpfs,target=/t --mount=type=ssh,id=b x");
    expect(mounts.map((one) => one.target)).toEqual(["/run/buildkit/ssh_agent.0", "/t", "/run/buildkit/ssh_agent.1"]);
  });

  it("makes stages and images that it mounts from part of the build", () => {
    const { plan: stages } = plan("FROM a AS one\nFROM b AS two\nFROM c\nRUN --mount=from=two,target=/x --mount=from=img:1,target=/y z");
    expect(stages.stages.map(({ label }) => label)).toEqual(["two", "2"]);
    expect(stages.images.map(({ reference }) => reference)).toEqual(["b", "c", "img:1"]);
  });

  it.each([
    ["type=volume,target=/x", "no type of mount"],
    ["target=/", "other than /"],
    ["type=cache", "needs a target"],
    ["tagret=/x", "did you mean target"],
    ["target=/x,uid=0", "not for mounts of type bind"],
    ["target=/x,size=1m", "not for mounts of type bind"],
    ["type=secret,id=a,from=tools", "not for mounts of type secret"],
    ["type=secret", "needs an id"],
    ["type=secret,id=a,src=b", "remove one"],
    ["type=secret,id=a,env=1x", "name of a variable"],
    ["type=ssh,source=x", "not for mounts of type ssh"],
    ["type=cache,target=/x,sharing=all", "shared, private or locked"],
    ["type=cache,target=/x,mode=9", "mode is octal"],
    ["type=cache,target=/x,uid=root", "uid is a number"],
    ["type=tmpfs,target=/x,size=big", "size is a number"],
    ["target=/x,ro=maybe", "true or false"],
    ["target", "needs a value"],
    ["target=/x,required", "not for mounts of type bind"],
    ["from=later,target=/x", "move it above"],
    ["from=9,target=/x", "no stage 9"],
    ["from=scratch,target=/x", "nothing that can be mounted"],
    ["target=/x,source=${Y:=1}", "not supported"],
  ])("explains %s", (flag, advice) => {
    const failure = problemOf(`FROM a\nRUN --mount=${flag} x\nFROM a AS later\nFROM 0`.replace("FROM 0", "FROM a"), { target: "0" });
    expect(failure).toMatchObject({ file: "Dockerfile", line: 2, message: expect.stringContaining(advice) });
  });
});

describe("RUN", () => {
  it("has the default network or none", () => {
    expect(run("RUN --network=default --security=sandbox x").network).toBe("default");
    expect(run("RUN --network=none x").network).toBe("none");
  });

  it("gives lines to the stage's shell, inherited from stage and base", () => {
    expect(run('SHELL ["/bin/bash", "-euc"]\nRUN x | y').argv).toEqual(["/bin/bash", "-euc", "x | y"]);
    expect(plan("FROM a\nRUN x", { base: { shell: ["/bin/ash"] } }).last.steps[0]).toMatchObject({ argv: ["/bin/ash", "x"] });
    const { last } = plan('FROM a AS b\nSHELL ["/s"]\nFROM b\nRUN x\nCMD c\nENTRYPOINT e\nRUN ["x"]');
    expect(last.steps).toMatchObject([{ argv: ["/s", "x"] }, { argv: ["x"] }]);
    expect(last.config).toMatchObject({ shell: ["/s"], cmd: ["/s", "c"], entrypoint: ["/s", "e"] });
  });

  it.each([
    ["RUN <<E\na $X\nb\nE", "a $X\nb\n"],
    ["RUN <<-E\n\ta\n\t\tb\n\tE", "a\nb\n"],
    ["RUN <<E cat\na\nE", "<<E cat\na\nE"],
    ["RUN cat <<A <<-'B' > x\na\nA\n\tb\nB", "cat <<A <<-'B' > x\na\nA\n\tb\nB"],
    ["RUN 3<<E\na\nE", "a\n"],
    ["RUN <<E\nE", ""],
  ])("gives the heredoc of %j to the shell", (line, command) => {
    expect(run(line)).toMatchObject({ argv: ["/bin/sh", "-c", command], files: [] });
  });

  it("makes a program of a heredoc that begins with #!", () => {
    expect(run("RUN <<-py\n\t#!/usr/bin/env python3\n\tprint()\n\tpy")).toMatchObject({
      argv: ["/bin/sh", "-c", "/dev/pipes/py"],
      files: [{ path: "/dev/pipes/py", content: "#!/usr/bin/env python3\nprint()\n" }],
    });
    expect(run("RUN <<'a b; c'\n#!/bin/x\na b; c").files[0]?.path).toBe("/dev/pipes/script");
  });
});
