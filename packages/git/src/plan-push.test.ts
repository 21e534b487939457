import { describe, expect, it } from "vitest";
import { deployedBranch, isBranchName, planPush, storedNotes } from "./plan-push.ts";
import { NO_COMMIT } from "./push-refs.ts";

const A = "a".repeat(40);
const B = "b".repeat(40);

function plan(pushed: Readonly<Record<string, readonly [string, string]>>, branches: Readonly<Record<string, string>> = {}) {
  const commands = Object.entries(pushed).map(([ref, [oldCommit, newCommit]]) => ({ ref: `refs/heads/${ref}`, oldCommit, newCommit }));
  return planPush(commands, new Map(Object.entries(branches))).map(
    (planned) => `${planned.branch}: ${planned.action}${planned.action === "refuse" ? `, ${planned.reason}` : ""}`,
  );
}

describe("planPush", () => {
  it("deploys main and stores the rest", () => {
    expect(plan({ main: [A, B], feature: [NO_COMMIT, B] }, { main: A })).toEqual(["main: deploy", "feature: store"]);
  });

  it("deploys master only where there is no main", () => {
    expect(plan({ master: [NO_COMMIT, A] })).toEqual(["master: deploy"]);
    expect(plan({ master: [A, B] }, { master: A })).toEqual(["master: deploy"]);
    expect(plan({ master: [NO_COMMIT, A] }, { main: A })).toEqual(["master: store"]);
    expect(plan({ master: [NO_COMMIT, A], main: [NO_COMMIT, A] })).toEqual(["master: store", "main: deploy"]);
  });

  it("stores a feature branch of an empty repository", () => {
    expect(plan({ feature: [NO_COMMIT, A] })).toEqual(["feature: store"]);
  });

  it("takes what is to be built and not deployed, beside branches, and deletes of it what is there", () => {
    const build = (newCommit: string) => ({ ref: "refs/for-build/head", oldCommit: NO_COMMIT, newCommit });
    const actions = planPush([build(A), { ref: "refs/heads/feature", oldCommit: NO_COMMIT, newCommit: A }], new Map());
    expect(actions.map(({ action }) => action)).toEqual(["take", "store"]);
    expect(planPush([build(NO_COMMIT)], new Map())).toMatchObject([{ action: "refuse" }]);
    expect(planPush([{ ...build(NO_COMMIT), oldCommit: A }], new Map())).toMatchObject([{ action: "delete" }]);
    expect(planPush([{ ...build(A), ref: "refs/elsewhere/head" }], new Map())).toMatchObject([{ action: "refuse" }]);
  });

  it("refuses to delete what is deployed, and deletes others", () => {
    expect(plan({ main: [A, NO_COMMIT], feature: [B, NO_COMMIT] }, { main: A, feature: B })).toEqual([
      "main: refuse, deployed branch",
      "feature: delete",
    ]);
  });

  it("refuses what was changed since the client looked", () => {
    expect(plan({ main: [A, B] }, { main: B })).toEqual(["main: refuse, fetch first"]);
    expect(plan({ main: [NO_COMMIT, B] }, { main: A })).toEqual(["main: refuse, fetch first"]);
  });

  it("stores and deletes tags, which deploy nothing and stand beside branches of their name", () => {
    const tag = (name: string, newCommit: string) => ({ ref: `refs/tags/${name}`, oldCommit: NO_COMMIT, newCommit });
    expect(planPush([tag("main", A), tag("v1", NO_COMMIT), tag("v..1", A)], new Map())).toMatchObject([
      { kind: "tag", branch: "main", action: "store" },
      { kind: "tag", branch: "v1", action: "delete" },
      { action: "refuse", reason: "not a valid tag name" },
    ]);
    expect(deployedBranch(new Map(), [tag("master", A)])).toBe("main");
  });

  it("refuses a branch that would stand in the way of the deployed one", () => {
    expect(plan({ "main/x": [NO_COMMIT, A] })).toEqual(["main/x: refuse, main/ is reserved"]);
    expect(plan({ "master/x": [NO_COMMIT, A] }, { main: A })).toEqual(["master/x: refuse, master/ is reserved"]);
  });
});

describe("storedNotes", () => {
  const done = (action: "store" | "delete", ...refs: readonly string[]) =>
    planPush(
      refs.map((ref) => ({ ref, oldCommit: NO_COMMIT, newCommit: action === "store" ? A : NO_COMMIT })),
      new Map(),
    );

  it("says in a sentence each what was stored and deleted, however much it is", () => {
    expect(storedNotes([], "main", "shop")).toEqual([]);
    expect(storedNotes(done("store", "refs/heads/a"), "main", "shop")).toEqual([
      "Branch a is stored, not deployed: this app deploys main.",
      "To deploy it: plim deploy shop --branch a",
    ]);
    const tags = Array.from({ length: 1_000 }, (_, at) => `refs/tags/v${at}`);
    expect(storedNotes(done("store", ...tags, "refs/heads/a", "refs/heads/b", "refs/heads/c"), "master", "shop")).toEqual([
      "Branches a, b and c are stored, not deployed: this app deploys master.",
      "To deploy one: plim deploy shop --branch a",
      "Tags v0, v1, v2, v3, v4 and 995 more are stored; a tag deploys nothing.",
    ]);
    expect(storedNotes(done("delete", "refs/heads/a", "refs/heads/b", "refs/tags/v1"), "main", "shop")).toEqual([
      "Branches a and b are deleted.",
      "Tag v1 is deleted.",
    ]);
  });
});

describe("isBranchName", () => {
  it.each(["main", "feature/x", "v1.2", "fix-#12", "日本", "a@b"])("takes %j", (name) => expect(isBranchName(name)).toBe(true));
  it.each([
    "",
    "../x",
    "a/../b",
    "a b",
    "-x",
    "a..b",
    "a~1",
    "a:b",
    "x.lock",
    "x.lock/y",
    ".x",
    "a/.b",
    "a/",
    "/a",
    "a//b",
    "@",
    "a@{1}",
    "a\u0000",
    "a\nb",
    "a\\b",
    "x".repeat(201),
  ])("refuses %j", (name) => expect(isBranchName(name)).toBe(false));
});
