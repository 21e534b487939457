import { describe, expect, it } from "vitest";
import { conmonArgv, readSyncPipe } from "./conmon.ts";

describe("conmon", () => {
  it("is called with a log that it caps and we rotate", () => {
    const argv = conmonArgv({
      containerId: "i1.2",
      bundleDir: "/b/i1/run-2",
      exitsDir: "/e",
      crunDir: "/c",
      log: { path: "/l/log", maxBytes: 50 },
    });
    expect(argv.join(" ")).toBe(
      "/usr/bin/conmon --api-version 1 -c i1.2 -u i1.2 -n i1.2 -r /usr/bin/crun --runtime-arg --root=/c --runtime-arg " +
        "--cgroup-manager=cgroupfs -b /b/i1/run-2 -p /b/i1/run-2/container.pid --conmon-pidfile /b/i1/run-2/conmon.pid --exit-dir /e " +
        "--socket-dir-path /b/i1/run-2 -l k8s-file:/l/log --log-size-max 50",
    );
  });

  it("tells a created container, one that is the image's fault, and one that is ours", () => {
    expect(readSyncPipe('{"data": 4711}\n')).toBe(4711);
    const failing = (message: string) => () => readSyncPipe(JSON.stringify({ data: -1, message }));
    expect(failing("executable file `nope` not found in $PATH: No such file or directory")).toThrow(
      expect.objectContaining({ code: "invalid" }),
    );
    expect(failing("setrlimit: Operation not permitted")).toThrow(expect.objectContaining({ code: "internal" }));
    expect(() => readSyncPipe("")).toThrow(/without a word/);
  });
});
