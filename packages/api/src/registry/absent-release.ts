import { parseManifestReference } from "./repository.ts";

const COMMIT_SHOWN = 12;

/**
 * Why there is no image under a tag that the platform gives, and what to do; undefined for a tag that people give. `kept`: the numbers of
 * the releases that there are. Pure.
 */
export function absentRelease(app: string, tag: string, kept: readonly number[]): string | undefined {
  const kind = parseManifestReference(tag)?.kind;
  if (kind !== "release" && kind !== "commit") return undefined;
  const known = `\`plim images ${app}\` lists what there is`;
  if (kind === "commit")
    return `No release that is kept of ${app} was built of commit ${tag.slice(0, COMMIT_SHOWN)}: push the commit again to build it; ${known}.`;
  if (kept.length === 0) return `App ${app} has no release yet: deploy it first.`;
  const [oldest, newest] = [Math.min(...kept), Math.max(...kept)];
  if (Number(tag.slice(1)) > newest) return `App ${app} has no release ${tag}; the newest is v${newest}, and ${known}.`;
  const range = oldest === newest ? `v${newest} is` : `v${oldest} to v${newest} are`;
  return `Release ${tag} of ${app} is not kept any more, only ${range}: push its commit again to build it anew; ${known}. An image that is needed for longer wants a tag of your own.`;
}
