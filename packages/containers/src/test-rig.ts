import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Image, ImageConfig, LayerRef } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import {
  type CgroupDriver,
  cgroupDriver,
  ensureHostLayout,
  ensureNetworkNamespace,
  ensureUserNamespace,
  type HostLayout,
  hostLayout,
  removeHostLayout,
} from "@plimsoll/host";
import { ImageStore } from "./image-store.ts";
import type { InstanceDefinition } from "./instance-state.ts";
import { LayerStore } from "./layer-store.ts";

/** A host layout of its own for tests, with an image made of this machine's programs: no package source needed, no second to wait. */
export interface TestRig {
  readonly layout: HostLayout;
  readonly cgroups: CgroupDriver;
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly layer: LayerRef;
  image(config?: Partial<ImageConfig>): Promise<Image>;
  /** An instance of namespace `ns` that runs a shell script. */
  instance(id: string, script: string, over?: Partial<InstanceDefinition>): Promise<InstanceDefinition>;
  dispose(): Promise<void>;
}

export const TEST_UID_BASE = 4_000_000;
const PROGRAMS = "sh cat chown env grep head id kill ls mkdir mknod mount rm seq sleep tail touch true".split(" ");
const MIB = 1024 * 1024;

export async function testRig(): Promise<TestRig> {
  const dataDir = mkdtempSync(join(tmpdir(), "plimsoll-"));
  const layout = hostLayout({ name: "test", dataDir });
  await ensureHostLayout(layout);
  const cgroups = cgroupDriver(layout);
  const layers = new LayerStore(layout.layersDir);
  const images = new ImageStore(layout.imagesDir, layers);
  const temporary = layers.temporary();
  await fillRoot(temporary.upperDir);
  const layer = await layers.seal(temporary.upperDir);
  await temporary.discard();

  const image = (config: Partial<ImageConfig> = {}) =>
    images.put(
      {
        architecture: "amd64",
        os: "linux",
        env: [],
        entrypoint: [],
        cmd: ["sh"],
        user: "",
        workingDir: "/",
        exposedPorts: [],
        labels: {},
        ...config,
      },
      [layer],
    );
  return {
    layout,
    cgroups,
    layers,
    images,
    layer,
    image,
    async instance(id, script, over = {}) {
      const uidBase = over.userNamespace?.uidBase ?? TEST_UID_BASE;
      const namespace = over.namespace ?? "ns";
      const path = await ensureUserNamespace(layout, namespace, { uidBase });
      cgroups.ensureTenant(namespace, { cpuMillis: 4_000, memoryBytes: 1024 * MIB });
      return {
        id,
        namespace,
        image: await image(),
        command: ["sh", "-c", script],
        env: {},
        secretEnv: {},
        limits: { cpuMillis: 500, memoryBytes: 64 * MIB, pids: 50 },
        userNamespace: { path, uidBase },
        networkNamespace: await ensureNetworkNamespace(layout, id, path),
        hostname: id,
        hosts: [],
        resolver: { nameservers: [], search: [], options: [] },
        stopGraceMs: 2_000,
        ...over,
      };
    },
    async dispose() {
      await layers.settled();
      await removeHostLayout(layout);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The programs below one /usr, as Debian has it. */
async function fillRoot(root: string): Promise<void> {
  for (const dir of ["etc", "tmp", "root", "home/app", "usr/bin", "usr/lib"]) mkdirSync(join(root, dir), { recursive: true });
  chmodSync(join(root, "tmp"), 0o1777);
  for (const name of ["bin", "lib", "lib64"]) symlinkSync(name === "lib64" ? "usr/lib" : `usr/${name}`, join(root, name));
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\napp:x:1000:\nextra:x:2000:app\n");
  await copyPrograms(root, PROGRAMS);
}

/** Programs of this machine's /usr/bin with the libraries that they name. */
export async function copyPrograms(root: string, programs: readonly string[]): Promise<void> {
  const found = programs.map((name) => realpathSync(`/usr/bin/${name}`));
  const { stdout } = await run(["ldd", ...found]);
  const libraries = new Set([...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1] ?? ""));
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  for (const [index, path] of found.entries()) copyFileSync(path, join(root, "usr/bin", programs[index] ?? ""));
  for (const library of libraries) {
    // The loader's name is in the programs themselves, with its directory; the others are looked up below /lib and its triplet's directory.
    const target = join(root, "usr", library.replace(/^\/(usr\/)?lib64\//, "lib/").replace(/^\/usr\//, ""));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(realpathSync(library), target);
  }
}
