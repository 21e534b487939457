/** Instructions that Dockerfiles know and this builder does not run: what to write instead. Never ignored. */
export const REFUSED_INSTRUCTIONS: Readonly<Record<string, string>> = {
  ADD: "ADD is not supported yet; use COPY for files of the repository, and RUN with curl and tar for downloads and archives.",
  ONBUILD: "ONBUILD is not supported yet; write the instruction into the Dockerfiles that use this image.",
  HEALTHCHECK: "HEALTHCHECK is not supported; readiness probes belong to the app's process: set them in its definition.",
  SHELL: 'SHELL is not supported yet; name the shell in the instruction, as in RUN ["/bin/bash", "-c", "…"].',
  VOLUME: "VOLUME is not supported; storage that outlives an instance is a volume of the app: declare it there and remove this line.",
  STOPSIGNAL: "STOPSIGNAL is not supported yet; the platform stops a process with SIGTERM.",
  MAINTAINER: 'MAINTAINER is deprecated and not supported; write LABEL org.opencontainers.image.authors="…" instead.',
};

/** Flags of supported instructions that this builder does not run, by instruction. */
export const REFUSED_FLAGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  RUN: {
    mount: "RUN --mount is not supported yet; COPY what the command needs, the instruction cache keeps its result.",
    network: "RUN --network is not supported: every build runs in a network of its own. Remove the flag.",
    security: "RUN --security is not supported: builds always run in the sandbox. Remove the flag.",
    device: "RUN --device is not supported: builds see no devices of the host. Remove the flag.",
  },
  COPY: {
    link: "COPY --link is not supported yet; remove the flag, the result is the same unless the destination is behind a symlink.",
    parents: "COPY --parents is not supported yet; write one COPY per directory.",
    exclude: "COPY --exclude is not supported yet; list the files in .dockerignore or copy what is needed by name.",
  },
};

/** Flag values that ask for what happens anyway. */
export const HARMLESS_FLAGS: Readonly<Record<string, readonly string[]>> = {
  RUN: ["--network=default", "--security=sandbox"],
  COPY: ["--link=false", "--parents=false"],
};

/** Every keyword of the language, for the nearest right one in an error. */
export const KEYWORDS = [
  "FROM",
  "RUN",
  "COPY",
  "ENV",
  "ARG",
  "WORKDIR",
  "USER",
  "EXPOSE",
  "CMD",
  "ENTRYPOINT",
  "LABEL",
  ...Object.keys(REFUSED_INSTRUCTIONS),
];

/** The keyword meant, when exactly one is at most two letters away. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const scored = candidates.map((candidate) => ({ candidate, distance: editDistance(word.slice(0, 32), candidate) }));
  scored.sort((a, b) => a.distance - b.distance);
  const best = scored[0];
  return best !== undefined && best.distance <= 2 && best.distance < Math.max(2, best.candidate.length) ? best.candidate : undefined;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substitution));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
