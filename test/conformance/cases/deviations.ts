import type { Case, Outcome } from "../case.ts";
import { onBase, onScratch } from "./define.ts";

type Deviation = Pick<Case, "reference" | "differs" | "stubs">;

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const newer = (reference: Outcome): Deviation => ({ reference });
const differs = (why: string, ours: Outcome): Deviation => ({ differs: { why, ours } });
const refuses = (why: string): Deviation => differs(why, { error: why });
const stubs = (...paths: string[]): Deviation => ({ stubs: paths });

const CLEAN =
  "the path is kept clean, for it is the same directory; BuildKit keeps an absolute one as it was written (util/system/path.go, NormalizePath)";

/**
 * Cases of which the engine's BuildKit is too old to be asked (what later ones do stands here), and those in which ours differs from every
 * BuildKit on purpose. What a newer one does was read in the sources of moby/buildkit at 73ed6825c (August 2026, after v0.32.2); files are named
 * from `frontend/dockerfile/dockerfile2llb` where they have no path.
 */
const DEVIATIONS: Readonly<Record<string, Deviation>> = {
  // Later BuildKits: strict modes, no mount points left over, `/.` a directory, FIFOs copied, exceptions with two stars.
  "copy: a destination that ends with a dot": newer(onScratch({ "/x": "d 755", "/x/a": 'f 644 "a\\n"' })),
  "copy --chmod: no mode": newer({ error: "invalid chmod parameter" }),
  "copy --chmod: digits that are not octal": newer({ error: "invalid chmod parameter" }),
  // The bits that the mode names are set: 20.10 drops them (vendor/github.com/tonistiigi/fsutil/copy/copy_linux.go, moby/buildkit#3920).
  "copy --chmod: set-id bits": newer(onScratch({ "/x": 'f 6755 "a\\n"' })),
  "copy --chmod: the sticky bit": newer(onScratch({ "/x": 'f 1644 "a\\n"' })),
  "copy --chmod: with an owner": newer(onScratch({ "/x": 'f 4711 7:8 "#!/bin/sh\\n"' })),
  "copy --from: a fifo": newer(onScratch({ "/y": "p 620" })),
  ".dockerignore: an exception with two stars": newer(
    onScratch({
      "/x": "d 755",
      "/x/b.log": 'f 644 "b"',
      "/x/d": "d 755",
      "/x/d/b.log": 'f 644 "db"',
      "/x/d/e": "d 755",
      "/x/d/e/b.log": 'f 644 "deb"',
    }),
  ),
  "add url: a mode": newer(onScratch({ "/x": 'f 751 "hello\\n"' })),
  "add: an archive with an owner": newer(
    onScratch({
      "/x": "d 755 7:8",
      "/x/top": "d 755 7:8",
      "/x/top/file": 'f 640 7:8 "in archive\\n"',
      "/x/top/hard": 'f 640 7:8 "in archive\\n" = /x/top/file',
      "/x/top/link": "l 7:8 -> file",
      "/x/top/run": 'f 755 7:8 "#!/bin/sh\\n"',
      "/x/top/secret": "d 700 7:8",
      "/x/top/secret/setuid": 'f 4755 7:8 "s"',
    }),
  ),
  "healthcheck: zero retries": newer(onScratch({}, { healthcheck: { test: ["CMD-SHELL", "a"] } })),
  "run --mount: variables in the target": newer(onBase({ "/x": 'f 644 "Dockerfile\\na\\ndir\\n"' })),

  "from: a target by number": differs(
    "a stage's number is as good a target as its name, as in COPY --from; BuildKit takes names alone (convert.go, resolveTarget)",
    onBase({}, { labels: { a: "1", base: "yes" } }),
  ),
  "run --mount: from a stage by number": differs(
    "a mount may name a stage by its number, as COPY does; to BuildKit it is an image of that name (convert_runmount.go, detectRunMount)",
    onBase({ "/x": 'f 644 "s\\n"' }),
  ),
  "expansion: in WORKDIR": differs(
    CLEAN,
    onScratch({ "/w": "d 755", "/w/w": "d 755", "/w/w/x": "d 755" }, { env: [PATH, "W=/w"], workdir: "/w/w/x" }),
  ),
  "workdir: a trailing slash": differs(CLEAN, onBase({ "/a": "d 755", "/a/b": "d 755" }, { workdir: "/a/b" })),
  "workdir: it climbs no higher than the root": differs(CLEAN, onBase({ "/a": "d 755" }, { workdir: "/a" })),
  "add: an archive's name that climbs": refuses(
    "such an archive is made to harm; BuildKit puts the file elsewhere, into the destination (solver/llbsolver/file/unpack.go: a chroot)",
  ),
  "onbuild: of no instruction": refuses(
    "told now; BuildKit keeps it unread (convert.go, dispatchOnbuild) and tells whoever builds on the image",
  ),

  "run --mount: the context": stubs("/src"),
  "run --mount: bind is the default type": stubs("/src"),
  "run --mount: a source below the context": stubs("/src"),
  "run --mount: a relative target is of the WORKDIR": stubs("/w/d"),
  "run --mount: it takes no writes": stubs("/src"),
  "run --mount: writes are not kept": stubs("/src"),
  "run --mount: rw=true": stubs("/src"),
  "run --mount: readwrite": stubs("/src"),
  "run --mount: ro=false": stubs("/src"),
  "run --mount: readonly": stubs("/src"),
  "run --mount: from a stage": stubs("/m"),
  "run --mount: from an image": stubs("/m"),
  "run --mount: the files' owners": stubs("/m"),
  "run --mount: a mount point is left as an empty directory": stubs("/deep", "/deep/er", "/deep/er/src"),
  "run --mount: two mounts": stubs("/one", "/two"),
  "run --mount: a cache is kept from step to step": stubs("/c"),
  "run --mount: a cache's id is its target": stubs("/c-by-target", "/other"),
  "run --mount: a cache is not in the image": stubs("/c-gone"),
  "run --mount: a cache's mode and owner": stubs("/c-m"),
  "run --mount: a cache's default mode": stubs("/c-d"),
  "run --mount: a private cache": stubs("/c-p"),
  "run --mount: a locked cache": stubs("/c-l"),
  "run --mount: a shared cache": stubs("/c-s"),
  "run --mount: a cache that begins as a stage's files": stubs("/c-f"),
  "run --mount: a cache that is read-only": stubs("/c-ro"),
  "run --mount: tmpfs": stubs("/t"),
  "run --mount: tmpfs is a tmpfs": stubs("/t"),
  "run --mount: a secret": stubs("/run", "/run/secrets"),
  "run --mount: a secret's mode and owner": stubs("/run", "/run/secrets"),
  "run --mount: a secret is not in the image": stubs("/run", "/run/secrets"),
};

export function withDeviation(one: Case): Case {
  return { ...one, ...(Object.hasOwn(DEVIATIONS, one.name) ? DEVIATIONS[one.name] : {}) };
}

/** Deviations of no case: a name was changed. */
export function strayDeviations(cases: readonly Case[]): readonly string[] {
  return Object.keys(DEVIATIONS).filter((key) => !cases.some(({ name }) => name === key));
}
