import { chmodSync, lchownSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LayerRef } from "@plimsoll/core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { TemporaryLayer } from "./layer-store.ts";
import { runSandbox } from "./sandbox.ts";
import { MissingMountSource, type SandboxMount } from "./sandbox-mounts.ts";
import { type TestRig, testRig } from "./test-rig.ts";

describe("what a build step brings along", () => {
  let rig: TestRig;
  let brought: LayerRef;
  const temporaries: TemporaryLayer[] = [];
  let count = 0;

  beforeAll(async () => {
    rig = await testRig();
    brought = await layerOf((root) => {
      mkdirSync(join(root, "src/deep"), { recursive: true });
      writeFileSync(join(root, "src/deep/file"), "of the layer\n");
      lchownSync(join(root, "src/deep/file"), 1000, 1000);
      symlinkSync("/etc", join(root, "leads-out"));
      symlinkSync("src", join(root, "inside"));
      symlinkSync("../../../../../../../../etc/passwd", join(root, "climbs"));
    });
  });
  afterEach(async () => {
    for (const temporary of temporaries.splice(0)) await temporary.discard();
  });
  afterAll(() => rig.dispose());

  const temporary = () => {
    const made = rig.layers.temporary();
    temporaries.push(made);
    return made;
  };
  const layerOf = async (fill: (root: string) => void) => {
    const made = temporary();
    fill(made.upperDir);
    return rig.layers.seal(made.upperDir);
  };
  const dirOf = (layer: LayerRef) => rig.layers.dirOf(layer.digest);

  const step = async (script: string, mounts: readonly SandboxMount[], layers: readonly LayerRef[] = [rig.layer]) => {
    const { userNamespace, networkNamespace } = await rig.instance("build", "");
    rig.cgroups.ensure("tenants/ns/build/b1", { cpuMillis: 2_000, memoryBytes: 64 * 1024 * 1024, pids: 50 });
    const { upperDir, workDir } = temporary();
    const output = { stdout: "", stderr: "" };
    const { exitCode } = await runSandbox({
      layout: rig.layout,
      cgroups: rig.cgroups,
      id: `step-${count++}`,
      layers: layers.map(dirOf),
      upperDir,
      workDir,
      userNamespace,
      networkNamespace,
      cgroupPath: "tenants/ns/build/b1",
      args: ["sh", "-c", script],
      env: [],
      user: "",
      cwd: "/",
      brought: mounts,
      onOutput: (stream, chunk) => {
        output[stream] += chunk.toString();
      },
    });
    return { exitCode, ...output, upperDir };
  };

  it("is a part of other layers, read-only, with container-side ids, and in no layer", async () => {
    const tree = { type: "tree", layers: [rig.layer, brought].map(dirOf), destination: "/mnt/here" } as const;
    const { stdout, stderr, upperDir } = await step("cat /mnt/here/file; ls -ln /mnt/here/file; touch /mnt/here/new", [
      { ...tree, source: "/inside/deep" },
    ]);
    expect(stdout).toMatch(/^of the layer\n-rw-r--r-- 1 1000 1000 /);
    expect(stderr).toContain("Read-only");
    expect(readdirSync(upperDir)).toEqual([]);
    const file = await step("cat /etc/one", [{ ...tree, source: "/src/deep/file", destination: "/etc/one" }]);
    expect(file.stdout).toBe("of the layer\n");
    expect(readdirSync(file.upperDir)).toEqual([]);
    await expect(step("true", [{ ...tree, source: "/not/there" }])).rejects.toBeInstanceOf(MissingMountSource);
  });

  it("may be written to where an upper directory takes it, and the layer stays as it was", async () => {
    const upper = temporary();
    const { stdout, exitCode } = await step("echo mine > /mnt/deep/file && rm -r /mnt/deep && ls /mnt", [
      { type: "tree", layers: [dirOf(brought)], upper, source: "/src", destination: "/mnt" },
    ]);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 0 });
    expect(readFileSync(join(dirOf(brought), "src/deep/file"), "utf8")).toBe("of the layer\n");
  });

  it("never is a file of the host, whatever links the source leads through (control: by path it would be)", async () => {
    writeFileSync(join(rig.layout.stateDir, "host-secret"), "of the host\n");
    const evil = await layerOf((root) => {
      symlinkSync(rig.layout.stateDir, join(root, "out"));
      symlinkSync(`../../../../../../../../../..${rig.layout.stateDir}`, join(root, "climbs"));
    });
    // What a path in the host's view would reach.
    expect(readFileSync(join(dirOf(evil), "out/host-secret"), "utf8")).toBe("of the host\n");
    for (const source of ["/out/host-secret", "/climbs/host-secret", "/../../../../../../../../../etc/hostname"]) {
      for (const mount of [
        { type: "tree", layers: [dirOf(evil)], source, destination: "/mnt" },
        { type: "tree", layers: [dirOf(rig.layer), dirOf(evil)], upper: temporary(), source, destination: "/mnt" },
        { type: "directory", root: dirOf(evil), source, destination: "/mnt", readOnly: true },
      ] as const) {
        await expect(step("cat /mnt", [mount])).rejects.toBeInstanceOf(MissingMountSource);
      }
    }
  });

  it("never lands outside of the container, whatever links its destination leads through", async () => {
    const target = join(rig.layout.stateDir, "untouched");
    mkdirSync(target);
    const evil = await layerOf((root) => symlinkSync(target, join(root, "way")));
    const { stdout, upperDir } = await step(
      "cat /way/file",
      [{ type: "tree", layers: [dirOf(brought)], source: "/src/deep", destination: "/way" }],
      [rig.layer, evil],
    );
    expect(stdout).toBe("of the layer\n");
    expect(readdirSync(target)).toEqual([]);
    // The mount point that the runtime made inside, where the link leads to in there, is gone again.
    expect(readdirSync(upperDir)).toEqual([]);
  });

  it("is a directory that stays, shared by those who have it at once", async () => {
    const root = join(rig.layout.stateDir, "kept");
    mkdirSync(root);
    chmodSync(root, 0o755);
    const mount = { type: "directory", root, source: "/", destination: "/cache", readOnly: false } as const;
    await Promise.all([step("echo a > /cache/a", [mount]), step("echo b > /cache/b", [mount])]);
    const { stdout, upperDir } = await step("cat /cache/a /cache/b; ls -ln /cache/a", [mount]);
    expect(stdout).toMatch(/^a\nb\n-rw-r--r-- 1 0 0 /);
    expect(readdirSync(upperDir)).toEqual([]);
    const readOnly = await step("touch /cache/c", [{ ...mount, readOnly: true }]);
    expect(readOnly.stderr).toContain("Read-only");
  });

  it("is memory with a size, or a file that only its user reads; nested in their order", async () => {
    const { stdout, stderr, upperDir } = await step(
      "ls -ln /run/secrets/one; cat /run/secrets/one; ls /mem; head -c 2000000 /dev/zero > /mem/sub/large; echo $?",
      [
        { type: "tmpfs", destination: "/mem" },
        { type: "tmpfs", destination: "/mem/sub", sizeBytes: 1024 * 1024 },
        { type: "file", content: Buffer.from("hidden\n"), destination: "/run/secrets/one", mode: 0o400, uid: 1000, gid: 1001 },
      ],
    );
    expect(stdout).toMatch(/^-r-------- 1 1000 1001 7 .*\nhidden\nsub\n1\n$/);
    expect(stderr).toContain("No space left");
    expect(readdirSync(upperDir)).toEqual([]);
  });
});
