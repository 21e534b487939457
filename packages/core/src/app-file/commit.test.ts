import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_OTHER_PROCESS, DEFAULT_WEB_PROCESS, type Spec } from "../resources.ts";
import { applyCommitConfig } from "./apply.ts";
import type { CommitConfig } from "./commit-config.ts";
import { readCommitSays } from "./read-commit.ts";

const reader = (files: Readonly<Record<string, string>>) => async (path: string) => files[path];
const says = (files: Readonly<Record<string, string>>, directory?: string) => readCommitSays(reader(files), directory);

describe("what a commit says of its app", () => {
  it("is nothing where it has neither file", async () => {
    expect(await says({ Dockerfile: "FROM scratch" })).toEqual({ build: {}, secrets: [] });
  });

  it("is the Procfile's processes where plimsoll.yaml has none", async () => {
    const procfile = "# all of it\nweb: node server.js\nworker: node worker.js --all\n";
    expect((await says({ Procfile: procfile, "plimsoll.yaml": "env: { A: b }" })).config).toEqual({
      file: "plimsoll.yaml",
      env: { A: "b" },
      processes: {
        web: { command: ["/bin/sh", "-c", "node server.js"] },
        worker: { command: ["/bin/sh", "-c", "node worker.js --all"] },
      },
    });
    expect((await says({ Procfile: procfile })).config?.file).toBe("Procfile");
    const both = await says({ Procfile: procfile, "plimsoll.yaml": "processes: { web: { replicas: 3 } }" });
    expect(both.config?.processes).toEqual({ web: { replicas: 3 } });
  });

  it("takes a name for nothing but a name", async () => {
    const { config } = await says({ Procfile: "constructor: node a.js\n" });
    expect(config?.processes).toEqual({ constructor: { command: ["/bin/sh", "-c", "node a.js"] } });
  });

  it.each([
    ["web node", "Procfile:1:1: is no `name: command`"],
    ["web:", "Procfile:1:1: `web` has no command"],
    ["Web: x", "Procfile:1:1: the name `Web` must be"],
    ["a: x\na: y", "Procfile:2:1: `a` is there twice"],
  ])("is refused with the Procfile's line: %j", async (text, message) => {
    await expect(says({ Procfile: text })).rejects.toThrow(message);
  });

  it("is read in the app's directory, and its paths are the repository's", async () => {
    const files = {
      "plimsoll.yaml": "processes: { other: {} }",
      "services/api/plimsoll.yaml": "build: { context: ../.., file: Dockerfile }",
    };
    expect((await says(files, "services/api")).build).toEqual({ directory: "", dockerfile: "services/api/Dockerfile" });
    expect((await says({}, "services/web")).build).toEqual({ directory: "services/web" });
    expect((await says({ "plimsoll.yaml": "build: { context: ./services/api/ }" })).build).toEqual({ directory: "services/api" });
    await expect(says({ "plimsoll.yaml": "build: { context: ../x }" })).rejects.toThrow("leaves the repository");
    await expect(says({ "plimsoll.yaml": "build: { contexts: { a: ../x } }" })).rejects.toThrow(
      "build.contexts.a: ../x leaves the repository",
    );
  });

  it("names build contexts from its own directory, and images as they are", async () => {
    const contexts = "{ lib: ../lib, all: ../.., self: ., node: 'docker-image://node:22' }";
    const { build } = await says({ "services/api/plimsoll.yaml": `build: { contexts: ${contexts} }` }, "services/api");
    expect(build.contexts).toEqual({ lib: "services/lib", all: ".", self: "services/api", node: "docker-image://node:22" });
    await expect(says({ "plimsoll.yaml": "build: { contexts: { a: 'https://x/y' } }" })).rejects.toThrow(
      "is a directory, like ../shared, or an image",
    );
  });

  it("names the file that is called otherwise", async () => {
    await expect(says({ "plimsoll.yml": "" })).rejects.toThrow("rename it to plimsoll.yaml");
  });
});

const APP: Spec<"App"> = {
  source: { kind: "git" },
  processes: { web: { ...DEFAULT_WEB_PROCESS, replicas: 4 } },
  env: { OWN: "1" },
  secrets: {},
};

describe("an app as a commit describes it", () => {
  it("keeps number and size of instances that the file does not name, and nothing else of its processes", () => {
    const before = { ...APP, processes: { ...APP.processes, old: DEFAULT_OTHER_PROCESS } };
    const config = { file: "f", env: {}, processes: { web: { port: 3000, ready: "/up" }, worker: { command: ["w"], replicas: 2 } } };
    expect(applyCommitConfig(before, config).processes).toEqual({
      web: { ...DEFAULT_WEB_PROCESS, replicas: 4, port: 3000, readiness: { kind: "http", path: "/up", timeoutMs: 60_000 } },
      worker: { ...DEFAULT_OTHER_PROCESS, command: ["w"], replicas: 2 },
    });
    const again = applyCommitConfig(applyCommitConfig(before, config), { file: "f", env: {}, processes: { web: {} } });
    expect(again.processes).toEqual({ web: { ...DEFAULT_WEB_PROCESS, replicas: 4 } });
  });

  it("loses what an earlier commit had set and this one does not", () => {
    const one = applyCommitConfig(APP, { file: "f", env: { A: "1", B: "2" } });
    const two = applyCommitConfig(one, { file: "f", env: { B: "3" } });
    expect(two).toMatchObject({ env: { OWN: "1", B: "3" }, appFile: { env: ["B"] } });
    const { appFile, ...none } = applyCommitConfig(two, undefined);
    expect([none, appFile]).toEqual([APP, undefined]);
    expect(applyCommitConfig(APP, undefined)).toBe(APP);
  });

  it("is the same when it is described twice", () => {
    const process = fc.record({
      replicas: fc.nat(5),
      port: fc.integer({ min: 1, max: 9_999 }),
      ready: fc.constantFrom("tcp", "none", "/x"),
    });
    const config = fc.record({
      file: fc.constant("f"),
      env: fc.dictionary(fc.constantFrom("A", "B", "OWN"), fc.string()),
      processes: fc.option(fc.dictionary(fc.constantFrom("web", "worker"), process), { nil: undefined }),
    }) as fc.Arbitrary<CommitConfig>;
    fc.assert(
      fc.property(config, (wanted) => {
        const once = applyCommitConfig(APP, wanted);
        expect(applyCommitConfig(once, wanted)).toEqual(once);
      }),
    );
  });
});
