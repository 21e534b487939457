import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { supervisorUnit, usesSystemd, WORKLOADS_CGROUP, withDelegatedCgroup } from "./systemd.ts";

const source = readFileSync(resolve(import.meta.dirname, "../../infra/systemd/plimsoll.service"), "utf8");
const unitOf = (root: string) =>
  supervisorUnit(source, { layout: { root, dataDir: `${root}/.plimsoll`, logsDir: `${root}/logs` }, node: `${root}/node`, code: "abc" });

describe("systemd", () => {
  it.each<[string, NodeJS.ProcessEnv, boolean, boolean]>([
    ["npm start where it is init", { npm_lifecycle_event: "start" }, true, true],
    ["npm run join where it is init", { npm_lifecycle_event: "join" }, true, true],
    ["npm start where it is not", { npm_lifecycle_event: "start" }, false, false],
    ["a start that no operator typed", {}, true, false],
    ["npm run dev", { npm_lifecycle_event: "dev" }, true, false],
    ["an operator who does not want it", { npm_lifecycle_event: "start", PLIMSOLL_SYSTEMD: "no" }, true, false],
    ["an operator who does", { PLIMSOLL_SYSTEMD: "yes" }, true, true],
    ["one who forgets what he said", { npm_lifecycle_event: "start", PLIMSOLL_SYSTEMD: "" }, true, true],
  ])("has the supervisor, or not: %s", (_, environment, booted, expected) => {
    expect(usesSystemd(environment, booted)).toBe(expected);
  });

  it("that is asked for and not there is refused in words", () => {
    expect(() => usesSystemd({ PLIMSOLL_SYSTEMD: "yes" }, false)).toThrow(/not this machine's init/);
    expect(() => usesSystemd({ PLIMSOLL_SYSTEMD: "maybe" }, true)).toThrow(/takes yes or no/);
  });

  it("gives a first start on cgroup v2 the subtree that it delegates, and moves no other", () => {
    const parent = (facts: Partial<Parameters<typeof withDelegatedCgroup>[1]>, environment: NodeJS.ProcessEnv = {}) =>
      withDelegatedCgroup(environment, { first: true, systemd: true, unified: true, ...facts }).PLIMSOLL_CGROUP_PARENT;
    expect(parent({})).toBe(WORKLOADS_CGROUP);
    for (const other of [{ first: false }, { systemd: false }, { unified: false }]) expect(parent(other)).toBeUndefined();
    expect(parent({}, { PLIMSOLL_CGROUP_PARENT: "/mine.slice" })).toBe("/mine.slice");
  });

  it("reads paths as they are, whatever they are made of", () => {
    const unit = unitOf("/srv/a b%c$d");
    expect(unit).toContain("WorkingDirectory=/srv/a b%%c$d\n");
    expect(unit).toContain('ExecStart="/srv/a b%%c$d/node" --max');
    expect(unit).toContain('Environment="PLIMSOLL_DATA_DIR=/srv/a b%%c$d/.plimsoll" "PLIMSOLL_CODE=abc"');
    expect(unit).not.toMatch(/@[A-Z_]+@/);
    expect(() => unitOf("/srv/a\nExecStart=/bin/false")).toThrow(/line break/);
    expect(() => unitOf("/srv/it's")).toThrow(/without quotes/);
  });
});
