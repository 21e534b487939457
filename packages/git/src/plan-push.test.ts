import { describe, expect, it } from "vitest";
import { isBranchName, planPush } from "./plan-push.ts";
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

  it("takes what is to be built and not deployed, beside branches, and has nothing of it to delete", () => {
    const build = (newCommit: string) => ({ ref: "refs/for-build/head", oldCommit: NO_COMMIT, newCommit });
    const actions = planPush([build(A), { ref: "refs/heads/feature", oldCommit: NO_COMMIT, newCommit: A }], new Map());
    expect(actions.map(({ action }) => action)).toEqual(["take", "store"]);
    expect(planPush([build(NO_COMMIT)], new Map())).toMatchObject([{ action: "refuse" }]);
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

  it("refuses a branch that would stand in the way of the deployed one", () => {
    expect(plan({ "main/x": [NO_COMMIT, A] })).toEqual(["main/x: refuse, main/ is reserved"]);
    expect(plan({ "master/x": [NO_COMMIT, A] }, { main: A })).toEqual(["master/x: refuse, master/ is reserved"]);
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
