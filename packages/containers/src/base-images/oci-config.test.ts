import { AppError } from "@plimsoll/core";
import { describe, expect, it } from "vitest";
import { OciConfig, toImageConfig } from "./oci-config.ts";

const read = (value: unknown, layers = 0) => toImageConfig(OciConfig.parse(value), layers);
const PLAIN = { architecture: "amd64", os: "linux" };

describe("toImageConfig", () => {
  it("reads all that images hand on", () => {
    const config = {
      Env: ["A=1"],
      Entrypoint: ["/e"],
      Cmd: ["c"],
      User: "u:g",
      WorkingDir: "/w",
      ExposedPorts: { "80/tcp": {} },
      Labels: { l: "v" },
      StopSignal: "SIGINT",
      Volumes: { "/data": {} },
      Shell: ["/bin/bash", "-c"],
      OnBuild: ["RUN x"],
      Healthcheck: { Test: ["CMD", "/p"], Interval: 30e9, Timeout: 1e9, StartPeriod: 0, StartInterval: 5e9, Retries: 3 },
    };
    expect(read({ ...PLAIN, author: "me", config })).toEqual({
      ...PLAIN,
      env: ["A=1"],
      entrypoint: ["/e"],
      cmd: ["c"],
      user: "u:g",
      workingDir: "/w",
      exposedPorts: ["80/tcp"],
      labels: { l: "v" },
      stopSignal: "SIGINT",
      volumes: ["/data"],
      shell: ["/bin/bash", "-c"],
      onBuild: ["RUN x"],
      healthcheck: { test: ["CMD", "/p"], intervalNs: 30e9, timeoutNs: 1e9, startIntervalNs: 5e9, retries: 3 },
      author: "me",
    });
  });

  it("reads images that say nothing, or null, or an empty check", () => {
    const nothing = { ...PLAIN, env: [], entrypoint: [], cmd: [], user: "", workingDir: "/", exposedPorts: [], labels: {} };
    expect(read(PLAIN)).toEqual(nothing);
    expect(read({ ...PLAIN, config: { Env: null, Volumes: null, OnBuild: null, Shell: null, Healthcheck: { Test: [] } } })).toEqual(
      nothing,
    );
  });

  it("keeps a history that fits the layers, and no other", () => {
    const history = [
      { created_by: "ADD rootfs / # buildkit", created: "2026-01-01T00:00:00Z" },
      { created_by: "CMD x", empty_layer: true },
    ];
    expect(read({ ...PLAIN, history }, 1).history).toEqual([
      { createdBy: "ADD rootfs / # buildkit" },
      { createdBy: "CMD x", emptyLayer: true },
    ]);
    expect(read({ ...PLAIN, history }, 2).history).toBeUndefined();
  });

  it("refuses another architecture", () => {
    expect(() => read({ ...PLAIN, architecture: "s390x" })).toThrow(AppError);
  });
});
