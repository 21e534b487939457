import type { Digest } from "@plimsoll/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CopyAction, RunAction } from "./actions.ts";
import { copyFromKey, copyKey, runKey, workdirKey } from "./keys.ts";

/** Many examples, on a machine that may be busy. */
const SLOW = { timeout: 60_000 };

const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex): Digest => `sha256:${hex}`);
const parents = fc.array(digest, { maxLength: 3 });
const text = fc.string({ maxLength: 4 });
const texts = fc.array(text, { maxLength: 3 });
const run = fc.record({
  type: fc.constant("run" as const),
  argv: texts,
  env: texts,
  proxies: texts,
  cwd: text,
  user: text,
  mounts: fc.constant([]),
  network: fc.constant("default" as const),
  files: fc.constant([]),
});
const copy = fc
  .record({
    sources: texts,
    destination: text,
    chown: fc.option(text, { nil: undefined }),
    chmod: fc.option(fc.nat(0o7777), { nil: undefined }),
  })
  .map(
    ({ chown, chmod, ...rest }): CopyAction => ({
      type: "copy",
      from: { kind: "context" },
      inline: [],
      link: false,
      parents: false,
      exclude: [],
      ...rest,
      ...(chown === undefined ? {} : { chown }),
      ...(chmod === undefined ? {} : { chmod }),
    }),
  );
const contents = fc.array(fc.record({ name: text, kind: text, content: text }), { maxLength: 3 });

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

describe("step keys", () => {
  it("name a command by parents, arguments, environment, directory and user, and by nothing else", SLOW, () => {
    const essence = ([on, { argv, env, cwd, user }]: [Digest[], RunAction]) => [on, argv, env, cwd, user];
    fc.assert(
      fc.property(fc.tuple(parents, run), fc.tuple(parents, run), (a, b) => {
        expect(runKey(...a, "amd64") === runKey(...b, "amd64")).toBe(same(essence(a), essence(b)));
        expect(runKey(a[0], { ...a[1], proxies: b[1].proxies }, "amd64")).toBe(runKey(...a, "amd64"));
        expect(runKey(...a, "arm64")).not.toBe(runKey(...a, "amd64"));
      }),
    );
  });

  it("name a copy by what it takes, not by how it was written", SLOW, () => {
    fc.assert(
      fc.property(parents, copy, contents, contents, texts, (on, action, taken, other, sources) => {
        expect(copyKey(on, { ...action, sources }, taken)).toBe(copyKey(on, action, taken));
        expect(copyKey(on, action, taken) === copyKey(on, action, other)).toBe(same(taken, other));
      }),
    );
  });

  it("never agree between kinds, or when a part moves to its neighbour", SLOW, () => {
    fc.assert(
      fc.property(parents, copy, digest, (on, action, one) => {
        const keys = [
          copyKey(on, action, []),
          copyFromKey(on, action, []),
          copyFromKey(on, action, [one]),
          copyFromKey([...on, one], action, []),
          workdirKey(on, { type: "workdir", path: action.destination, user: "" }),
        ];
        expect(new Set(keys).size).toBe(keys.length);
      }),
    );
    const base = { type: "run", proxies: [], cwd: "/", user: "", mounts: [], network: "default", files: [] } as const;
    expect(runKey([], { ...base, argv: ["a"], env: ["b"] }, "x")).not.toBe(runKey([], { ...base, argv: ["a", "b"], env: [] }, "x"));
    expect(runKey([], { ...base, argv: ["a b"], env: [] }, "x")).not.toBe(runKey([], { ...base, argv: ["a", "b"], env: [] }, "x"));
  });
});
