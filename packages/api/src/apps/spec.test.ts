import { DEFAULT_WEB_PROCESS } from "@plimsoll/core";
import { describe, expect, it } from "vitest";
import { assertImageReference, defaultAppSpec, patchAppSpec, scaleAppSpec } from "./spec.ts";

describe("an app's spec", () => {
  it("has one web process of the image's own command unless said otherwise", () => {
    expect(defaultAppSpec()).toEqual({ source: { kind: "git" }, processes: { web: DEFAULT_WEB_PROCESS }, env: {}, secrets: {} });
  });

  it("is patched by what is said: null removes, a new process starts from defaults", () => {
    const spec = defaultAppSpec({ env: { A: "1", B: "2" } });
    const patched = patchAppSpec(spec, {
      env: { A: null, C: "3" },
      processes: { web: { cpuMillis: 500 }, worker: { command: ["work"], replicas: 2 } },
    });
    expect(patched.env).toEqual({ B: "2", C: "3" });
    expect(patched.processes.web).toEqual({ ...DEFAULT_WEB_PROCESS, cpuMillis: 500 });
    expect(patched.processes.worker).toMatchObject({ command: ["work"], replicas: 2, readiness: { kind: "none" } });
    expect(patched.processes.worker?.port).toBeUndefined();
  });

  it("is scaled by process, and names the processes when there is no such one", () => {
    expect(scaleAppSpec(defaultAppSpec(), "web", 5).processes.web?.replicas).toBe(5);
    expect(() => scaleAppSpec(defaultAppSpec(), "worker", 1)).toThrow("this app has web");
  });

  it.each([
    ["PORT", { env: { PORT: "1" } }, /sets PORT/],
    ["a zero byte", { env: { A: "x\0y" } }, /zero byte/],
    ["a name that is a secret", { env: { KEY: "x" }, secrets: { KEY: 1 } }, /is a secret/],
    ["too much", { env: Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`V${at}`, "x".repeat(20_000)])) }, /256 KiB/],
    ["a directory outside of the repository", { source: { kind: "git" as const, directory: "services/../../x" } }, /without \.\./],
    ["a probe without a port", { processes: { web: { ...DEFAULT_WEB_PROCESS, port: undefined } } }, /needs a port/],
  ])("is refused with the field: %s", (_what, given, reason) => {
    expect(() => defaultAppSpec(given)).toThrow(reason);
  });

  it.each(["node:22", "nginx", "ghcr.io/acme/shop:1.2", "localhost:5000/a/b", `a@sha256:${"0".repeat(64)}`])(
    "takes the image %s",
    (reference) => {
      expect(() => assertImageReference(reference)).not.toThrow();
    },
  );

  it.each(["", "-v", "--help", "a b", "a:b:c", "UPPER", "https://x/y", "a/../b", "a@sha256:12", "a;b", "$(id)", "a\nb"])(
    "refuses the image %j",
    (reference) => {
      expect(() => assertImageReference(reference)).toThrow(/registry/);
    },
  );
});
