import { chmodSync, chownSync, copyFileSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RootedTree } from "@plimsoll/host";

/** An image that cases start from, of one layer. */
export interface Base {
  readonly name: string;
  /** Dockerfile instructions, and the same for our store. */
  readonly env: readonly string[];
  readonly cmd: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  fill(root: string): void;
}

/** Needs busybox of Debian, linked statically. */
export const BASES: readonly Base[] = [
  { name: "base", env: ["BASE=1"], cmd: ["sh"], labels: { base: "yes" }, fill: fillBusybox },
  { name: "rich", env: ["RICH=1"], cmd: [], labels: {}, fill: fillRich },
];

/** Images whose settings cases inherit: built by each side itself, from its own `base`. */
export const DERIVED: Readonly<Record<string, string>> = {
  configured: `FROM base
ENV GREETING="hello there" LEVEL=3
LABEL maker="plimsoll tests" level=3
EXPOSE 80 53/udp
USER app
WORKDIR /home/app
ENTRYPOINT ["/bin/echo", "entry"]
CMD ["command"]
`,
  "with-volume": "FROM base\nVOLUME /data\n",
  "with-health": 'FROM base\nHEALTHCHECK --interval=1m --retries=5 CMD ["/bin/true"]\n',
  "with-signal": "FROM base\nSTOPSIGNAL SIGINT\n",
  "with-shell": 'FROM base\nSHELL ["/bin/ash", "-e", "-c"]\n',
  "onbuild-run": "FROM base\nONBUILD RUN echo triggered > /triggered\n",
  "onbuild-copy": "FROM base\nONBUILD COPY a /from-trigger\nONBUILD ENV SET=by-trigger\n",
  "onbuild-arg": "FROM base\nONBUILD ARG VERSION=1\nONBUILD RUN echo $VERSION > /version\n",
  "onbuild-workdir": "FROM base\nONBUILD WORKDIR /made\nONBUILD USER app\n",
};

const APPLETS =
  "sh ash cat chgrp chmod chown cp cut date dd echo env false find grep head hostname id ln ls md5sum mkdir mkfifo mknod mv nproc printf pwd readlink rm rmdir sed sleep sort stat tail tar test touch tr true truncate umask uniq wc whoami xargs".split(
    " ",
  );

function fillBusybox(root: string): void {
  for (const directory of ["bin", "etc", "tmp", "root", "proc", "sys", "dev", "home", "usr", "var"]) mkdirSync(join(root, directory));
  mkdirSync(join(root, "home/app"));
  chownSync(join(root, "home/app"), 1000, 1001);
  chmodSync(join(root, "tmp"), 0o1777);
  chmodSync(join(root, "root"), 0o700);
  copyFileSync("/bin/busybox", join(root, "bin/busybox"));
  for (const applet of APPLETS) symlinkSync("busybox", join(root, "bin", applet));
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\nappgroup:x:1001:\nother:x:1002:app\n");
}

/** Files that a git context cannot hold: owners, set-id bits, hard links, attributes, devices, links in all directions. */
function fillRich(root: string): void {
  for (const directory of ["data/sub/deep", "data/empty", "sticky", "private", "names", "special"])
    mkdirSync(join(root, directory), { recursive: true });
  const file = (path: string, text: string, mode = 0o644, uid = 0, gid = 0) => {
    writeFileSync(join(root, path), text);
    chownSync(join(root, path), uid, gid);
    chmodSync(join(root, path), mode);
  };
  file("data/file", "file");
  file("data/owned", "owned", 0o640, 1000, 1001);
  file("data/setuid", "s", 0o4755, 5, 6);
  file("data/setgid", "g", 0o2755, 5, 6);
  file("data/sub/deep/leaf", "leaf", 0o600);
  file("private/key", "key", 0o400, 7, 8);
  for (const name of ["a.txt", "b.txt", "c.log", "[x]", "with space"]) file(`names/${name}`, name);
  linkSync(join(root, "data/file"), join(root, "data/sub/same"));
  symlinkSync("sub/deep/leaf", join(root, "data/inner"));
  symlinkSync("nowhere", join(root, "data/dangling"));
  symlinkSync("data/file", join(root, "to-file"));
  symlinkSync("/data", join(root, "to-dir"));
  symlinkSync("../../../data/sub", join(root, "up"));
  chmodSync(join(root, "sticky"), 0o1777);
  chmodSync(join(root, "private"), 0o700);
  chownSync(join(root, "private"), 7, 8);
  using tree = new RootedTree(root);
  tree.setXattr("data/file", "user.note", Buffer.from("n"));
  // A v2 file capability (cap_net_bind_service), as setcap writes it.
  tree.setXattr("data/owned", "security.capability", Buffer.from("0100000200040000000000000000000000000000", "hex"));
  tree.fifo("special/pipe", 0o620);
}
