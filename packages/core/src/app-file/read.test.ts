import { describe, expect, it } from "vitest";
import { AppError } from "../errors.ts";
import { readAppFile } from "./read.ts";

const FILE = "plimsoll.yaml";

function refusal(text: string): string {
  try {
    readAppFile(text, FILE);
  } catch (error) {
    if (error instanceof AppError) return error.message;
    throw error;
  }
  return "";
}

describe("a plimsoll.yaml", () => {
  it("is read in our units", () => {
    const text = `
build: { context: services/api, file: ops/Dockerfile, target: runtime, args: { NODE: 22, EXACT: 1.10 } }
env:
  LOG_LEVEL: info
  VERSION: 1.10
  FEATURE: yes
  ON: true
secrets: [DATABASE_URL]
processes:
  web:
    command: node server.js
    replicas: 2
    cpu: 0.5
    memory: 512 MiB
    port: 3000
    ready: /healthz
    readyTimeout: 30s
    stopGrace: 500ms
  worker:
    command: [node, worker.js]
    cpu: 250m
    memory: 1.5GiB
`;
    expect(readAppFile(text, FILE)).toEqual({
      build: { context: "services/api", file: "ops/Dockerfile", target: "runtime", args: { NODE: "22", EXACT: "1.10" } },
      env: { LOG_LEVEL: "info", VERSION: "1.10", FEATURE: "yes", ON: "true" },
      secrets: ["DATABASE_URL"],
      processes: {
        web: {
          command: ["/bin/sh", "-c", "node server.js"],
          replicas: 2,
          cpu: 500,
          memory: 512 * 1024 ** 2,
          port: 3000,
          ready: "/healthz",
          readyTimeout: 30_000,
          stopGrace: 500,
        },
        worker: { command: ["node", "worker.js"], cpu: 250, memory: 1.5 * 1024 ** 3 },
      },
    });
  });

  it("may be empty", () => {
    expect(readAppFile("# nothing yet\n", FILE)).toEqual({});
  });

  it.each([
    ["processes:\n  web:\n    replica: 2\n", "plimsoll.yaml:3:5: there is no key `processes.web.replica`; did you mean `replicas`?"],
    ["processes:\n  web:\n    mem: 1GiB\n", "did you mean `memory`?"],
    ["proceses: {}\n", "plimsoll.yaml:1:1: there is no key `proceses`; did you mean `processes`?"],
    [
      "build:\n  dockerfile: x\n",
      "plimsoll.yaml:2:3: there is no key `build.dockerfile`; there are context, file, target, memory, args, contexts",
    ],
    ["build:\n  contxet: x\n", "did you mean `context`?"],
    ["release: ./migrate\n", "plimsoll.yaml:1:10: release has a command, as in `release: { command: ./migrate }`"],
    ["release: { comand: x }\n", "plimsoll.yaml:1:12: there is no key `release.comand`; did you mean `command`?"],
    ["release: { command: x, timeout: 2h }\n", "plimsoll.yaml:1:33: release.timeout is a time in ms, s or m, like 30s"],
    ["release: { command: x, timeout: 61m }\n", "release.timeout is 1000ms to 60m"],
    ["processes:\n  web:\n    memory: 512\n", "plimsoll.yaml:3:13: processes.web.memory is an amount with its unit, like 512 MiB"],
    ["processes:\n  web:\n    memory: 1 MiB\n", "is 8 MiB to 1024 GiB"],
    ["processes:\n  web:\n    cpu: lots\n", "plimsoll.yaml:3:10: processes.web.cpu is processors, like 0.5"],
    ["processes:\n  web:\n    replicas: 1.5\n", "is a whole number of instances"],
    ["processes:\n  web:\n    port: 70000\n", "is 1 to 65535"],
    ["processes:\n  web:\n    ready: healthz\n", "is a path that is asked by HTTP, like /healthz"],
    ["processes:\n  web:\n    readyTimeout: 30\n", "is a time with its unit, like 30s"],
    ["processes:\n  Web: {}\n", "plimsoll.yaml:2:3: the name `Web` must be 1 to 40 of a-z"],
    ["processes: [web]\n", "plimsoll.yaml:1:12: processes maps names to processes"],
    ["env:\n  A: [1]\n", "plimsoll.yaml:2:6: env.A is a text"],
    ["env:\n  1A: x\n", "plimsoll.yaml:2:3: the name `1A` must be letters, digits and _"],
    ["- a\n", "plimsoll.yaml:1:1: the file maps build, env, secrets and processes"],
    ["env:\n  A: 1\n  A: 2\n", "plimsoll.yaml:3:3: Map keys must be unique"],
    ["env: {A: 1\n", "plimsoll.yaml:"],
    ["a: 1\n---\nb: 2\n", "plimsoll.yaml:2:1: is one document"],
    ["processes:\n  web:\n    command: ''\n", "processes.web.command is a line for the shell"],
    ["env:\n\tA: 1\n", "plimsoll.yaml:2:"],
  ])("says where it is wrong and what is right: %j", (text, message) => {
    expect(refusal(text)).toContain(message);
  });

  it("is refused where it grows without end", () => {
    const aliases = `a: &a [x]\nb: &b [${"*a,".repeat(60)}]\nc: [${"*b,".repeat(60)}]\n`;
    expect(refusal(aliases)).toContain("its aliases (*name) name more than they should");
    expect(refusal(`env: {A: ${"x".repeat(70_000)}}`)).toContain("larger than 64 KiB");
    for (const deep of ["[".repeat(60_000), `a: ${"{a: ".repeat(9_000)}`, "- ".repeat(20_000), "? ".repeat(20_000)])
      expect(refusal(deep)).toContain("nested deeper");
  });

  it("says everything that is wrong at once, in the order of the file", () => {
    const lines = refusal("env:\n  A: []\nprocesses:\n  web:\n    replica: 1\n    memory: much\n").split("\n");
    expect(lines.map((line) => line.split(" ")[0])).toEqual(["plimsoll.yaml:2:6:", "plimsoll.yaml:5:5:", "plimsoll.yaml:6:13:"]);
  });
});
