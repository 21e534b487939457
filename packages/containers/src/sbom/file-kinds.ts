/** What a file of an image may tell of packages, by where it lies. Programs are told by what is in them. */
export type FileKind = "dpkg" | "apk" | "os-release" | "npm" | "python" | "gem" | "composer" | "jar" | "rpm";

const KINDS: readonly (readonly [RegExp, FileKind])[] = [
  [/^var\/lib\/dpkg\/status$/, "dpkg"],
  [/^var\/lib\/dpkg\/status\.d\/[^/]+(?<!\.md5sums)$/, "dpkg"],
  [/^(usr\/)?lib\/apk\/db\/installed$/, "apk"],
  [/^(etc|usr\/lib)\/os-release$/, "os-release"],
  [/^(var\/lib|usr\/lib\/sysimage)\/rpm\/(Packages|Packages\.db|rpmdb\.sqlite)$/, "rpm"],
  [/(^|\/)node_modules\/(@[^/]+\/)?[^/.@][^/]*\/package\.json$/, "npm"],
  [/\.dist-info\/METADATA$/, "python"],
  [/\.egg-info(\/PKG-INFO)?$/, "python"],
  [/(^|\/)specifications\/(default\/)?[^/]+\.gemspec$/, "gem"],
  [/(^|\/)vendor\/composer\/installed\.json$/, "composer"],
  [/\.(jar|war|ear)$/i, "jar"],
];

/** `path`: in the image, without leading slash. Pure. */
export function fileKind(path: string): FileKind | undefined {
  return KINDS.find(([pattern]) => pattern.test(path))?.[1];
}
