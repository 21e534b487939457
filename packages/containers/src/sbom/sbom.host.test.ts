import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { deflateRawSync } from "node:zlib";
import type { Digest, LayerRef } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { RootedTree } from "@plimsoll/host";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LayerStore } from "../layer-store.ts";
import { listImagePackages } from "./list-image-packages.ts";
import { LAYER_LIMITS, readLayer } from "./read-layer.ts";
import { goInline, zipOf } from "./test-files.ts";

type Files = Readonly<Record<string, string | Buffer>>;

const DPKG = "var/lib/dpkg/status";
const stanza = (name: string, version: string) =>
  `Package: ${name}\nStatus: install ok installed\nArchitecture: all\nVersion: ${version}\n\n`;
const packageJson = (name: string, version: string) => JSON.stringify({ name, version });

describe("the packages of an image", () => {
  let dir: string;
  let layers: LayerStore;
  let deaths: string[];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "plimsoll-sbom-"));
    layers = new LayerStore(join(dir, "layers"));
    deaths = [];
  });
  afterEach(async () => {
    await layers.settled();
    rmSync(dir, { recursive: true, force: true });
  });

  const put = (root: string, files: Files) => {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
  };
  const layer = async (files: Files, more: (tree: RootedTree, root: string) => void = () => undefined): Promise<LayerRef> => {
    const temporary = layers.temporary();
    put(temporary.upperDir, files);
    {
      using tree = new RootedTree(temporary.upperDir);
      more(tree, temporary.upperDir);
    }
    const ref = await layers.seal(temporary.upperDir);
    await temporary.discard();
    return ref;
  };
  const list = (image: readonly LayerRef[], memoryMib?: number) =>
    listImagePackages(
      layers,
      { layers: image },
      {
        signal: new AbortController().signal,
        onDied: (words) => deaths.push(words),
        ...(memoryMib === undefined ? {} : { memoryMib }),
      },
    );
  const namesOf = async (...image: LayerRef[]) => (await list(image)).packages.map(({ name, version }) => `${name} ${version}`);
  const recordOf = (digest: Digest) => layers.noteOf(digest, "packages-1.json.gz");

  it("are those that dpkg-query lists, of this machine's own database", async () => {
    const { stdout } = await run(["dpkg-query", "-W", "-f", `\${Package} \${Version} \${Architecture} \${db:Status-Status}\n`]);
    const expected = stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
      .filter(([, , , state]) => state !== "config-files" && state !== "not-installed")
      .map((fields) => fields.slice(0, 3).join(" "));
    const base = await layer({ "usr/lib/os-release": `ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n` }, (_, root) => {
      mkdirSync(dirname(join(root, DPKG)), { recursive: true });
      copyFileSync(`/${DPKG}`, join(root, DPKG));
    });
    const { packages, distribution } = await list([base]);
    const arch = (purl = "") => /arch=([a-z0-9]+)/.exec(purl)?.[1];
    expect(packages.map(({ name, version, purl }) => `${name} ${version} ${arch(purl)}`).sort()).toEqual(expected.sort());
    expect(expected.length).toBeGreaterThan(100);
    expect(distribution).toBe("Debian 12");
    expect(packages[0]).toMatchObject({ type: "deb", paths: [DPKG], purl: expect.stringMatching(/^pkg:deb\/debian\/.*distro=debian-12$/) });
  });

  it("are those that npm ci has put into this repository", async () => {
    const root = join(import.meta.dirname, "../../../..");
    const names = ["zod", "fast-check", "@types/node", "koffi"];
    const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { packages: Record<string, { version: string }> };
    const app = await layer({}, (_, upper) => {
      for (const name of names) {
        mkdirSync(join(upper, "app/node_modules", name), { recursive: true });
        copyFileSync(join(root, "node_modules", name, "package.json"), join(upper, "app/node_modules", name, "package.json"));
      }
    });
    expect((await namesOf(app)).sort()).toEqual(names.map((name) => `${name} ${lock.packages[`node_modules/${name}`]?.version}`).sort());
  });

  it("follow the overlay: whiteouts take away, files replace, opaque directories and what is no directory hide", async () => {
    const base = await layer({
      [DPKG]: stanza("libc6", "1") + stanza("bash", "1"),
      "app/node_modules/a/package.json": packageJson("a", "1.0.0"),
      "app/node_modules/b/package.json": packageJson("b", "1.0.0"),
      "app/node_modules/c/package.json": packageJson("c", "1.0.0"),
      "opt/node_modules/d/package.json": packageJson("d", "1.0.0"),
      "opt/node_modules/e/package.json": packageJson("e", "1.0.0"),
      "srv/node_modules/f/package.json": packageJson("f", "1.0.0"),
    });
    const all = ["bash 1", "libc6 1", "a 1.0.0", "b 1.0.0", "c 1.0.0", "d 1.0.0", "e 1.0.0", "f 1.0.0"];
    // The control: an upper layer that touches none of it hides nothing.
    const other = await layer({ "app/server.js": "1", "opt/x/y": "1" });
    expect(await namesOf(base, other)).toEqual(all);
    const upper = await layer({ [DPKG]: stanza("libc6", "2"), "app/node_modules/c/package.json": "{broken" }, (tree) => {
      tree.whiteout("app/node_modules/a");
      tree.whiteout("app/node_modules/b-not-it");
      tree.mkdirs("opt/node_modules");
      tree.opaque("opt/node_modules");
      tree.mkdirs("opt/node_modules/e");
      tree.symlink("app", "srv");
    });
    const { packages, notes } = await list([base, upper]);
    expect(packages.map(({ name, version }) => `${name} ${version}`)).toEqual(["libc6 2", "b 1.0.0"]);
    expect(notes).toEqual(["app/node_modules/c/package.json is malformed, and was passed over."]);
    // A third layer brings one back, and the one between still hides the first.
    const third = await layer({ "app/node_modules/a/package.json": packageJson("a", "3.0.0") });
    expect(await namesOf(base, upper, third)).toEqual(["libc6 2", "a 3.0.0", "b 1.0.0"]);
  });

  it("are read once of each layer, and anew where the record is damaged", async () => {
    const base = await layer({ [DPKG]: stanza("bash", "1") });
    const app = await layer({ "app/node_modules/a/package.json": packageJson("a", "1.0.0") });
    expect(await namesOf(base)).toEqual(["bash 1"]);
    // Nobody may do this; it shows who looks.
    writeFileSync(join(layers.dirOf(base.digest), DPKG), stanza("bash", "9"));
    expect(await namesOf(base, app)).toEqual(["bash 1", "a 1.0.0"]);
    for (const damaged of [Buffer.alloc(0), Buffer.from("no gzip")]) {
      writeFileSync(recordOf(base.digest), damaged);
      expect(await namesOf(base, app)).toEqual(["bash 9", "a 1.0.0"]);
    }
    await layers.remove(base.digest);
    expect(existsSync(join(dir, "layers", base.digest.slice(7)))).toBe(false);
  });

  it("do not reach the host by links, devices and pipes of a layer", async () => {
    const secret = join(dir, "secret.json");
    writeFileSync(secret, packageJson("of-the-host", "6.6.6"));
    const hostile = await layer({ "app/node_modules/ok/package.json": packageJson("ok", "1.0.0") }, (tree, root) => {
      tree.mkdirs("app/node_modules/linked");
      tree.symlink(secret, "app/node_modules/linked/package.json");
      tree.symlink(dir, "app/node_modules/tree");
      tree.mkdirs("app/node_modules/pipe");
      tree.fifo("app/node_modules/pipe/package.json", 0o644);
      tree.mkdirs("var/lib/dpkg");
      tree.symlink("/var/lib/dpkg/status", DPKG);
      symlinkSync("/", join(root, "loop"));
    });
    const { packages, notes } = await list([hostile]);
    expect(packages.map(({ name }) => name)).toEqual(["ok"]);
    expect(notes).toEqual([]);
    expect(deaths).toEqual([]);
  });

  it("of hostile files are bounded, and what could not be read is said", async () => {
    const deep = `${"d/".repeat(250)}node_modules/deep/package.json`;
    const packed = deflateRawSync(Buffer.alloc(20 * 1024 ** 2));
    const huge = layer({}, (_, root) => {
      put(root, {
        "app/node_modules/nested/package.json": `${"[".repeat(500_000)}`,
        "app/node_modules/large/package.json": packageJson("large", "1.0.0") + " ".repeat(1024 ** 2),
        "app/node_modules/named/package.json": packageJson("x".repeat(301), "1.0.0"),
        "app/node_modules/evil/package.json": packageJson("ev\u202eil\u001b[31m", "1.0.0"),
        "app/node_modules/fine/package.json": packageJson("fine", "1.0.0"),
        "app/bomb.jar": zipOf(Array.from({ length: 64 }, (_, at) => ({ name: `${at}.jar`, content: Buffer.alloc(0), packed }))),
        "bin/torn": goInline("go1.22", "mod\ta\tv1\n").subarray(0, 300),
        "var/lib/rpm/rpmdb.sqlite": "x",
        [deep]: packageJson("deep", "1.0.0"),
      });
      chmodSync(join(root, "bin/torn"), 0o755);
    });
    const { packages, notes } = await list([await huge]);
    expect(deaths).toEqual([]);
    expect(packages.map(({ name }) => name)).not.toContain("deep");
    expect(packages.map(({ name }) => name)).toContain("fine");
    expect(notes.join("\n")).toMatch(/nested deeper than 200/);
    expect(notes.join("\n")).toMatch(/archives were read in part only: they hold more than 512 MiB/);
    expect(notes.join("\n")).toMatch(/rpm database .* not read/);
    expect(notes.join("\n")).toMatch(/large\/package.json is larger than 1 MiB/);
    expect(notes.join("\n")).toMatch(/nested\/package.json is malformed/);
    expect(packages.filter(({ name }) => /evil|x{200}|\u202e/.test(name))).toEqual([]);
  });

  it("of a layer with more than a layer may cost are read in part", async () => {
    const files = Object.fromEntries(
      Array.from({ length: 60 }, (_, at) => [`node_modules/p${at}/package.json`, packageJson(`p${at}`, "1.0.0")]),
    );
    const { digest } = await layer(files);
    using tree = new RootedTree(layers.dirOf(digest));
    expect(readLayer(tree)).toMatchObject({ notes: [], files: { length: 60 } });
    for (const [limits, why] of [
      [{ entries: 50 }, "more than 50 files"],
      [{ bytes: 1_000 }, "would have to be read"],
      [{ packages: 10 }, "more than 10 packages"],
      [{ cpuMs: -1 }, "took more than"],
    ] as const) {
      const many = { ...LAYER_LIMITS, ...limits };
      const { files: read, notes } = readLayer(tree, many);
      expect(read.length, why).toBeLessThan(60);
      expect(notes.join(), why).toContain(why);
    }
  });

  it("of a layer that kills its reader are missing, those of the others are not", async () => {
    const good = await layer({ [DPKG]: stanza("bash", "1") });
    // Many times its size once it is read: with so little memory nobody survives it.
    const killer = await layer({ "app/vendor/composer/installed.json": `[${"{},".repeat(2_600_000)}{}]` });
    const { packages, notes } = await list([good, killer], 48);
    expect(packages.map(({ name }) => name)).toEqual(["bash"]);
    expect(notes.join()).toMatch(
      /could not be read: the program that reads it (needed more memory than it may take|ended without an answer)/,
    );
    expect(deaths.length).toBe(1);
  });

  it("can be listed again after the one who listed them was killed", async () => {
    const base = await layer({ [DPKG]: stanza("bash", "1") });
    const stop = new AbortController();
    const under = listImagePackages(layers, { layers: [base] }, { signal: stop.signal, onDied: (words) => deaths.push(words) });
    stop.abort(new Error("the agent ends"));
    await expect(under).rejects.toThrow("the agent ends");
    writeFileSync(`${recordOf(base.digest)}.1.new`, "half");
    utimesSync(`${recordOf(base.digest)}.1.new`, 0, 0);
    expect(await namesOf(base)).toEqual(["bash 1"]);
    expect(deaths).toEqual([]);
  });
});
