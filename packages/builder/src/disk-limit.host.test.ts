import { linkSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run as program } from "@plimsoll/exec";
import { blockDeviceOf } from "@plimsoll/host";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { measureTrees } from "./execute/disk-measure.ts";
import { BuildHost, failureOf, imageOf, LIMITS, NAMESPACE } from "./testing/build-host.ts";
import { tarOf } from "./testing/tar-of.ts";

const MIB = 1024 ** 2;
const limited = (diskBytes: number, diskFiles = 100_000) => ({ request: { limits: { ...LIMITS, diskBytes, diskFiles } } });

describe("the disk limit of a build", () => {
  let host: BuildHost;
  beforeAll(async () => {
    host = await BuildHost.open();
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });
  afterEach(() => {
    expect(host.cgroups.children(`tenants/${NAMESPACE.uid}/build`)).toEqual([]);
    expect(readdirSync(join(host.layout.layersDir, "tmp"))).toEqual([]);
  });

  const run = (
    command: string,
    options: Parameters<BuildHost["build"]>[1] = limited(64 * MIB),
    more: Readonly<Record<string, string | Uint8Array>> = {},
  ) => host.build({ Dockerfile: `FROM busybox\nRUN ${command}\n`, ...more }, options);

  it("refuses a sparse file of 10 GB at once, with the default limits", async () => {
    const built = await run("dd if=/dev/zero of=/sparse bs=1 count=1 seek=10G", {});
    expect(failureOf(built)).toMatchObject({ reason: "out_of_disk", line: 2 });
    expect(failureOf(built).message).toContain("more than the build's 8 GiB of disk; most of it is a single file. Write less");
    expect(built.elapsedMs).toBeLessThan(10_000);
    // Without the limit the file is there.
    imageOf(await run("dd if=/dev/zero of=/sparse bs=1 count=1 seek=10G && rm /sparse", limited(20 * 1024 ** 3)));
  });

  it("stops a command whose files are too much together, and says which is most of it", async () => {
    const built = await run(
      "mkdir /data; dd if=/dev/zero of=/data/big bs=1M count=50; i=0; while true; do i=$((i+1)); dd if=/dev/zero of=/data/f$i bs=1M count=5; done",
    );
    expect(failureOf(built)).toMatchObject({ reason: "out_of_disk", line: 2 });
    expect(failureOf(built).message).toContain("it wrote more than the build's 64 MiB of disk; most of it is /data/big (50 MiB).");
    expect(built.elapsedMs).toBeLessThan(15_000);
    imageOf(await run("echo unhurt"));
  });

  it("stops one that fills a directory with entries", async () => {
    const built = await run(
      "mkdir /many && cd /many && i=0; while true; do i=$((i+1)); mkdir d$i; cd d$i; touch $(env seq 1 1000 2>/dev/null) a b c d e f g h; done",
      limited(1024 * MIB, 5_000),
    );
    expect(failureOf(built)).toMatchObject({ reason: "out_of_disk", line: 2 });
    expect(failureOf(built).message).toContain("more than the build's 5,000 files and directories");
  });

  it("counts what was written before a command could be stopped", async () => {
    const quick = await run("dd if=/dev/zero of=/a bs=1M count=40 && cp /a /b");
    expect(failureOf(quick)).toMatchObject({ reason: "out_of_disk", line: 2 });
    const inTwo = await host.build(
      { Dockerfile: "FROM busybox\nRUN dd if=/dev/zero of=/a bs=1M count=40\nRUN cp /a /b\n" },
      limited(64 * MIB),
    );
    expect(failureOf(inTwo)).toMatchObject({ reason: "out_of_disk", line: 3 });
    imageOf(await host.build({ Dockerfile: "FROM busybox\nRUN dd if=/dev/zero of=/a bs=1M count=40\nRUN rm /a\n" }, limited(64 * MIB)));
  });

  it("finds what is written into files that have no name any more", async () => {
    const built = await run(
      'for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=/x bs=1M count=30 2>/dev/null; eval "exec 1$i</x"; rm /x; done; sleep 30',
    );
    expect(failureOf(built)).toMatchObject({ reason: "out_of_disk", line: 2 });
  });

  it("holds COPY, ADD and a stage to it before they write", async () => {
    const big = Buffer.alloc(8 * MIB, "x");
    const copied = await host.build({ Dockerfile: "FROM busybox\nCOPY big /a\nCOPY big /b\n", big }, limited(12 * MIB));
    expect(failureOf(copied)).toMatchObject({ reason: "out_of_disk", line: 3 });
    const archive = tarOf([{ path: "f", content: big }]);
    const added = await host.build({ Dockerfile: "FROM busybox\nADD archive /a/\n", archive }, limited(10 * MIB));
    expect(failureOf(added)).toMatchObject({ reason: "out_of_disk", line: 2 });
    const staged = await host.build(
      {
        Dockerfile:
          "FROM busybox AS one\nRUN dd if=/dev/zero of=/a bs=1M count=1 seek=7\nFROM busybox\nCOPY --from=one /a /\nCOPY --from=one /a /b\n",
      },
      limited(20 * MIB),
    );
    expect(failureOf(staged)).toMatchObject({ reason: "out_of_disk", line: 5 });
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`many/f${index}`, "x"]));
    const files = await host.build({ Dockerfile: "FROM busybox\nCOPY many /many/\n", ...many }, limited(64 * MIB, 50));
    expect(failureOf(files).message).toContain("more than the build's 50 files and directories");
  });

  it("and its bandwidth is the operator's", async ({ skip }) => {
    const device = blockDeviceOf(host.dir);
    host.cgroups.ensure("io");
    const limits = device !== undefined && host.cgroups.limitIo("io", { device, bytesPerSecond: 4 * MIB });
    await host.cgroups.remove("io");
    skip(!limits, "this kernel, or the disk here, cannot be limited");
    const builder = host.newBuilder({ ioBytesPerSecond: 4 * MIB });
    const built = await run("dd if=/dev/zero of=/f bs=1M count=8 oflag=direct", { builder });
    imageOf(built);
    const step = built.events.find((event) => event.type === "step-done" && event.outcome === "done");
    // 8 MiB at 4 MiB/s: without the limit some 100 ms.
    expect(step?.type === "step-done" && step.durationMs).toBeGreaterThan(1_000);
  });

  it("is measured by what is there, whatever names say", async () => {
    const root = mkdtempSync(join(host.dir, "names-"));
    mkdirSync(join(root, "a b"));
    writeFileSync(join(root, "a b/one\nf 99999999 99999999999 1 1 forged"), "x");
    writeFileSync(join(root, "a b/two"), Buffer.alloc(MIB));
    linkSync(join(root, "a b/two"), join(root, "second name"));
    const { bytes, files, largestFile, fullestDirectory } = await measureTrees([root], 100);
    expect(files).toBe(4);
    expect(bytes).toBeGreaterThanOrEqual(MIB);
    expect(bytes).toBeLessThan(2 * MIB);
    expect([largestFile?.bytes, fullestDirectory?.files]).toEqual([MIB, 2]);
    // The same listing, ended by lines: what a name holds is a file of its own.
    const { stdout } = await program(["find", root, "-mindepth", "1", "-printf", "%y %b %s %n %i %P\\n"]);
    expect(stdout.split("\n").some((line) => line.startsWith("f 99999999 "))).toBe(true);
  });

  it("empties a cache mount that holds more than a build may write, so that the next build can use it", async () => {
    const fill = "--mount=type=cache,target=/cache for i in 1 2 3 4 5 6; do dd if=/dev/zero of=/cache/f$i bs=1M count=30; done; sleep 30";
    const built = await run(fill);
    expect(failureOf(built)).toMatchObject({ reason: "out_of_disk", message: expect.stringContaining("cache mount /cache") });
    const next = await run("--mount=type=cache,target=/cache ls /cache && echo empty");
    expect(next.log).toBe("empty\n");
  });
});
