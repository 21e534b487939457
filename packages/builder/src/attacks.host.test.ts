import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { extractLayer } from "@plimsoll/containers";
import { start } from "@plimsoll/exec";
import { getXattr, listXattrs, RootedTree } from "@plimsoll/host";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { copyFromTree } from "./execute/copy-layers.ts";
import { Destination } from "./execute/destination.ts";
import { lookUpOwner } from "./execute/owners.ts";
import { Placement } from "./execute/place.ts";
import { ByPathTree } from "./testing/by-path-tree.ts";
import { type TarPart, tarOf } from "./testing/tar-of.ts";

/**
 * Each row is an attack on the host by a file tree that a tenant has filled: context, base image, stage, archive, registry layer. It is
 * made twice by the builder's own functions: on RootedTree, through which all of them reach such trees, and on a tree that is reached by path.
 * The first must leave the host as it was and tell nothing of it; the second must succeed, else the row proves nothing.
 */
interface Scene {
  /** Of the host: what the attack is after. */
  readonly outside: string;
  /** What the tenant has filled. */
  readonly root: string;
  /** What is written into: an image under construction. */
  readonly image: string;
}

type Open = (root: string) => RootedTree;

interface Attack {
  readonly what: string;
  readonly fill: (scene: Scene) => void;
  /** Refusals are as good as harmless results. */
  readonly attack: (scene: Scene, open: Open) => unknown;
  /** Whether the host was reached. */
  readonly reached: (scene: Scene) => boolean;
}

const opened: number[] = [];
const SECRET = "the host's secret\n";
const FILE = Buffer.from("planted\n");
const ROOT = { uid: 0, gid: 0 };
const ATTRIBUTES = { mode: 0o644, owner: ROOT, mtimeNs: 0n };

const stolen = ({ image }: Scene): boolean =>
  existsSync(image) &&
  readdirSync(image, { recursive: true, encoding: "utf8" }).some((name) => {
    const path = join(image, name);
    return lstatSync(path).isFile() && readFileSync(path, "utf8").includes(SECRET.trim());
  });
const planted = ({ outside }: Scene) => existsSync(join(outside, "planted"));
const damaged = ({ outside }: Scene) => !existsSync(join(outside, "secret")) || readFileSync(join(outside, "secret"), "utf8") !== SECRET;

/** COPY --from of a stage or image, also a bind mount's content key and the filling of a cache mount. */
const copyOut = (source: string) => (scene: Scene, open: Open) => {
  using origin = open(scene.root);
  using tree = new RootedTree(scene.image);
  const destination = new Destination(tree);
  copyFromTree(origin, { sources: [source] }, { destination, placement: new Placement(destination, "/copied/") });
};
/** COPY and ADD of a file to a path of an image. */
const copyTo = (target: string) => (scene: Scene, open: Open) => {
  using tree = open(scene.root);
  const destination = new Destination(tree);
  const file = destination.putFile(new Placement(destination, target).of({ name: "planted", isDirectory: false }), ATTRIBUTES);
  file.write(FILE);
  file.end();
  destination.finish();
};
const unpack =
  (whiteouts: "none" | "oci" | "overlay", ...parts: readonly TarPart[]) =>
  async (scene: Scene, open: Open) => {
    using tree = open(scene.root);
    const archive = tarOf(parts.map((part) => ({ ...part, linkTarget: part.linkTarget?.replace("OUTSIDE", scene.outside) ?? "" })));
    await extractLayer(chunks(archive), tree, { whiteouts, maxBytes: 1e9, maxEntries: 1e6 });
  };
async function* chunks(archive: Buffer) {
  yield archive;
}
const links =
  (links: Readonly<Record<string, string>>) =>
  ({ root, outside }: Scene) => {
    for (const [name, target] of Object.entries(links)) symlinkSync(target.replace("OUTSIDE", outside), join(root, name));
  };
const nothing = () => undefined;

const READING: readonly Attack[] = (
  [
    ["a link to a file", { way: "OUTSIDE/secret" }, "/way"],
    ["a link to a directory on the way", { way: "OUTSIDE" }, "/way/secret"],
    ["a link to a directory, all of which is copied", { way: "OUTSIDE" }, "/way/"],
    ["a link that climbs", { way: `${"../".repeat(30)}OUTSIDE` }, "/way/secret"],
    ["a link through a link", { one: "OUTSIDE", two: "one" }, "/two/secret"],
    ["a wildcard over a link", { way: "OUTSIDE" }, "/way/sec*"],
    ["a file link found by a wildcard", { "way.txt": "OUTSIDE/secret" }, "/*.txt"],
    ["/proc/self/root", { way: "/proc/self/rootOUTSIDE" }, "/way/secret"],
    ["/proc/PID/root", { way: `/proc/${process.pid}/rootOUTSIDE` }, "/way/secret"],
  ] as const
).map(([what, made, source]) => ({
  what: `read by ${what}`,
  fill: links(made),
  attack: (scene, open) => copyOut(source.replace("OUTSIDE", scene.outside))(scene, open),
  reached: stolen,
}));

const WRITING: readonly Attack[] = (
  [
    ["a link to a directory", { way: "OUTSIDE" }, "/way/planted"],
    ["a directory that is a link, named as one", { way: "OUTSIDE" }, "/way/"],
    ["a link that climbs", { way: `${"../".repeat(30)}OUTSIDE` }, "/way/planted"],
    ["/proc/self/root", { way: "/proc/self/rootOUTSIDE" }, "/way/planted"],
  ] as const
).map(([what, made, target]) => ({ what: `written by ${what}`, fill: links(made), attack: copyTo(target), reached: planted }));

const ATTACKS: readonly Attack[] = [
  ...READING,
  {
    what: "read by a magic link to what the reader has open",
    fill: ({ root, outside }) => {
      const fd = openSync(outside, "r");
      opened.push(fd);
      symlinkSync(`/proc/self/fd/${fd}`, join(root, "way"));
    },
    attack: copyOut("/way/secret"),
    reached: stolen,
  },
  ...WRITING,
  {
    what: "a file overwritten through a link in its place",
    fill: links({ way: "OUTSIDE/secret" }),
    attack: copyTo("/way"),
    reached: damaged,
  },
  {
    what: "a directory made by WORKDIR through a link",
    fill: links({ way: "OUTSIDE" }),
    attack: ({ root }, open) => {
      using tree = open(root);
      const destination = new Destination(tree);
      destination.ensureDirectory(destination.resolve("/way/planted/deep"));
    },
    reached: planted,
  },
  {
    what: "mode and owner changed by a COPY over a link to a directory",
    fill: links({ way: "OUTSIDE" }),
    attack: ({ root }, open) => {
      using tree = open(root);
      const destination = new Destination(tree, { owner: { uid: 1_000, gid: 1_000 }, mode: 0o777 });
      destination.putDirectory("/way", ATTRIBUTES);
    },
    reached: ({ outside }) => statSync(outside).uid === 1_000,
  },
  {
    what: "USER and --chown looked up in a file of the host",
    fill: ({ root, outside }) => {
      mkdirSync(join(root, "etc"));
      writeFileSync(join(outside, "passwd"), "known:x:4242:4242::/:\n");
      symlinkSync(join(outside, "passwd"), join(root, "etc/passwd"));
    },
    attack: ({ root, image }, open) => {
      using tree = open(root);
      writeFileSync(join(image, "owner"), lookUpOwner(tree, "known", () => undefined).uid === 4_242 ? SECRET : "");
    },
    reached: stolen,
  },
  ...(["none", "oci", "overlay"] as const).flatMap((whiteouts): readonly Attack[] => {
    const from = { none: "an archive of ADD", oci: "a layer of a registry", overlay: "a layer of another host" }[whiteouts];
    return [
      {
        what: `${from}: a link, then a file through it`,
        fill: nothing,
        attack: unpack(whiteouts, { path: "way", type: "symlink", linkTarget: "OUTSIDE" }, { path: "way/planted", content: FILE }),
        reached: planted,
      },
      {
        what: `${from}: a link of the image, and a file through it`,
        fill: links({ way: "OUTSIDE" }),
        attack: unpack(whiteouts, { path: "way/planted", content: FILE }),
        reached: planted,
      },
      {
        what: `${from}: a link, then a directory in its place with another mode`,
        fill: nothing,
        attack: unpack(whiteouts, { path: "way", type: "symlink", linkTarget: "OUTSIDE" }, { path: "way/planted", type: "directory" }),
        reached: planted,
      },
      {
        what: `${from}: a hard link to a file of the host, by a link on the way`,
        fill: ({ root, image, outside }) => {
          rmSync(image, { recursive: true });
          symlinkSync(root, image);
          symlinkSync(outside, join(root, "way"));
        },
        attack: unpack(whiteouts, { path: "hard", type: "hardlink", linkTarget: "way/secret" }),
        reached: ({ root }) => existsSync(join(root, "hard")) && readFileSync(join(root, "hard"), "utf8") === SECRET,
      },
      {
        what: `${from}: a file removed by an entry in its place, through a link`,
        fill: links({ way: "OUTSIDE" }),
        attack: unpack(whiteouts, { path: "way/secret", content: FILE }),
        reached: damaged,
      },
    ];
  }),
  {
    what: "a layer of a registry: a whiteout through a link",
    fill: links({ way: "OUTSIDE" }),
    attack: unpack("oci", { path: "way/.wh.secret" }),
    reached: damaged,
  },
  {
    what: "a layer of a registry: an opaque directory through a link",
    fill: links({ way: "OUTSIDE" }),
    attack: unpack("oci", { path: "way/.wh..wh..opq" }),
    reached: ({ outside }) => listXattrs(Buffer.from(outside)).includes("trusted.overlay.opaque"),
  },
  {
    what: "a layer of another host: an attribute set through a link",
    fill: links({ way: "OUTSIDE" }),
    attack: unpack("overlay", {
      path: "way",
      type: "directory",
      xattrs: new Map([["user.planted", FILE]]),
    }),
    reached: ({ outside }) =>
      listXattrs(Buffer.from(outside)).includes("user.planted") && getXattr(Buffer.from(outside), "user.planted").equals(FILE),
  },
];

describe("attacks by file trees, each with what happens without the protection", () => {
  let dir: string;
  let count = 0;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "plimsoll-attack-"));
  });
  afterEach(() => {
    for (const fd of opened.splice(0)) closeSync(fd);
    rmSync(dir, { recursive: true, force: true });
  });

  const scene = (): Scene => {
    const base = join(dir, String(count++));
    const made = { outside: join(base, "outside"), root: join(base, "root"), image: join(base, "image") };
    for (const path of Object.values(made)) mkdirSync(path, { recursive: true });
    writeFileSync(join(made.outside, "secret"), SECRET, { mode: 0o600 });
    chmodSync(made.outside, 0o700);
    return made;
  };
  const attempt = async ({ fill, attack, reached }: Attack, open: Open): Promise<boolean> => {
    const at = scene();
    fill(at);
    try {
      await attack(at, open);
    } catch (error) {
      // A refusal. What is wrong with the test itself is none.
      if (error instanceof TypeError || error instanceof ReferenceError) throw error;
    }
    return reached(at);
  };

  it.each(ATTACKS)("$what", async (attack) => {
    expect(await attempt(attack, (root) => new RootedTree(root))).toBe(false);
    expect(await attempt(attack, ByPathTree.of)).toBe(true);
  });

  it("a directory and a link that change places while they are read", async () => {
    const { root, outside } = scene();
    mkdirSync(join(root, "way"));
    writeFileSync(join(root, "way/secret"), "the tenant's own\n");
    symlinkSync(outside, join(root, "link"));
    const swap = 'while (1) { rename("way", "t"); rename("link", "way"); rename("way", "link"); rename("t", "way") }';
    const swapper = await start(["perl", "-e", swap], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
    const ended = new Promise((resolve) => swapper.once("close", resolve));
    const read = (tree: RootedTree) => {
      try {
        return tree.readFile("way/secret").toString() === SECRET;
      } catch {
        return false;
      }
    };
    try {
      using rooted = new RootedTree(root);
      // Until it would have been reached by path, several times over.
      const byPath = ByPathTree.of(root);
      let reached = 0;
      for (const end = performance.now() + 20_000; reached < 20 && performance.now() < end; ) {
        if (read(byPath)) reached++;
        for (let again = 0; again < 20; again++) expect(read(rooted)).toBe(false);
      }
      expect(reached).toBeGreaterThan(0);
    } finally {
      swapper.kill("SIGKILL");
      await ended;
    }
  });
});
