import type { Digest } from "@plimsoll/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AddAction, CopyAction, RunAction, RunMount } from "./actions.ts";
import { addKey, copyFromKey, copyKey, runKey, workdirKey } from "./keys.ts";

/** Many examples, on a machine that may be busy. */
const SLOW = { timeout: 60_000 };

const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex): Digest => `sha256:${hex}`);
const parents = fc.array(digest, { maxLength: 3 });
const text = fc.string({ maxLength: 4 });
const texts = fc.array(text, { maxLength: 3 });
const origin = fc.oneof(
  fc.constant({ kind: "context" } as const),
  fc.nat(3).map((index) => ({ kind: "stage", index }) as const),
);
const mount: fc.Arbitrary<RunMount> = fc.oneof(
  fc.record({ type: fc.constant("bind" as const), target: text, from: origin, source: text, readOnly: fc.boolean() }),
  fc.record({ type: fc.constant("tmpfs" as const), target: text, sizeBytes: fc.nat(9) }),
  fc.record({
    type: fc.constant("secret" as const),
    id: text,
    target: text,
    required: fc.boolean(),
    mode: fc.nat(7),
    uid: fc.nat(1),
    gid: fc.nat(1),
  }),
);
const run = fc.record({
  type: fc.constant("run" as const),
  argv: texts,
  env: texts,
  proxies: texts,
  cwd: text,
  user: text,
  mounts: fc.array(mount, { maxLength: 2 }),
  network: fc.constantFrom("default" as const, "none" as const),
  files: fc.array(fc.record({ path: text, content: text }), { maxLength: 1 }),
});
const placing = {
  destination: text,
  chown: fc.option(text, { nil: undefined }),
  chmod: fc.option(fc.oneof(fc.nat(0o7777), text), { nil: undefined }),
  link: fc.constant(false),
  exclude: texts,
  inline: fc.array(fc.record({ name: text, content: text }), { maxLength: 1 }),
};
const without = <T extends object>(value: T) => Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;
const copy = fc
  .record({
    type: fc.constant("copy" as const),
    from: fc.constant({ kind: "context" } as const),
    sources: texts,
    parents: fc.boolean(),
    ...placing,
  })
  .map((action) => without(action) as CopyAction);
const add = fc
  .record({
    type: fc.constant("add" as const),
    sources: fc.constant([]),
    keepGitDir: fc.boolean(),
    unpack: fc.option(fc.boolean(), { nil: undefined }),
    ...placing,
  })
  .map((action) => without(action) as AddAction);
const contents = fc.array(fc.record({ name: text, kind: text, content: text }), { maxLength: 3 });

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

describe("step keys", () => {
  it("name a command by parents, arguments, environment, directory, user, mounts, scripts and network, and by nothing else", SLOW, () => {
    const essence = ([on, { type: _, proxies: __, mounts, ...rest }]: [Digest[], RunAction]) => [
      on,
      rest,
      // Where a mount comes from is named by what is in it.
      mounts.map((one) => ({ ...one, from: undefined })),
    ];
    fc.assert(
      fc.property(fc.tuple(parents, run), fc.tuple(parents, run), (a, b) => {
        expect(runKey(...a, "amd64") === runKey(...b, "amd64")).toBe(same(essence(a), essence(b)));
        expect(runKey(a[0], { ...a[1], proxies: b[1].proxies }, "amd64")).toBe(runKey(...a, "amd64"));
        expect(runKey(...a, "arm64")).not.toBe(runKey(...a, "amd64"));
        expect(runKey(...a, "amd64", ["content"])).not.toBe(runKey(...a, "amd64"));
        const { network, mounts, files } = a[1];
        expect(runKey(a[0], { ...a[1], network: network === "none" ? "default" : "none" }, "amd64")).not.toBe(runKey(...a, "amd64"));
        expect(runKey(a[0], { ...a[1], mounts: [...mounts, { type: "tmpfs", target: "/t" }] }, "amd64")).not.toBe(runKey(...a, "amd64"));
        expect(runKey(a[0], { ...a[1], files: [...files, { path: "/p", content: "" }] }, "amd64")).not.toBe(runKey(...a, "amd64"));
      }),
    );
  });

  it("name a copy or an add by each of its flags, and a linked one by nothing below it", SLOW, () => {
    fc.assert(
      fc.property(parents, parents, copy, add, contents, (on, other, one, two, taken) => {
        const changes = [
          { destination: `${one.destination}x` },
          { chown: "someone" },
          { chmod: "+s" },
          { link: true },
          { exclude: [...one.exclude, "x"] },
        ];
        const inline = [...one.inline, { name: "x", content: "" }];
        for (const change of [...changes, { inline }, { parents: !one.parents }])
          expect(copyKey(on, { ...one, ...change } as CopyAction, taken)).not.toBe(copyKey(on, { ...one, chown: "a", chmod: 0 }, taken));
        for (const change of [...changes, { unpack: !two.unpack }, { keepGitDir: !two.keepGitDir }])
          expect(addKey(on, { ...two, ...change } as AddAction, taken)).not.toBe(addKey(on, { ...two, chown: "a", chmod: 0 }, taken));
        const linked = { ...one, link: true };
        expect(copyKey(on, linked, taken)).toBe(copyKey(other, linked, taken));
        expect(copyFromKey(on, linked, other)).toBe(copyFromKey([], linked, other));
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
          addKey(on, { ...action, type: "add", sources: [], keepGitDir: false }, []),
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
