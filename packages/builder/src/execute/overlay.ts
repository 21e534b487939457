import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { mount, umount } from "@plimsoll/host";

/**
 * Mounts layers as one tree for the builder itself: not id-mapped, so ids read and written are the container-side ones that layers
 * store. Only in the worker's private mount namespace, and only through RootedTree: what is in the tree is a tenant's. Undone by
 * `unmount`, at the latest with the namespace.
 *
 * Links with short names keep many layers within the one page that mount(2) takes for options.
 */
export function mountLayers(
  scratchDir: string,
  layers: readonly string[],
  upper?: { readonly upperDir: string; readonly workDir: string },
): { readonly root: string; unmount(): void } {
  const only = layers[0];
  if (upper === undefined && layers.length === 1 && only !== undefined) return { root: only, unmount: () => undefined };
  const scratch = mkdtempSync(join(scratchDir, "tree-"));
  const root = join(scratch, "root");
  mkdirSync(root);
  const remove = () => rmSync(scratch, { recursive: true });
  if (layers.length === 0 && upper === undefined) return { root, unmount: remove };
  if (layers.length === 0) mkdirSync(join(scratch, "l0"));
  for (const [index, layer] of layers.entries()) symlinkSync(layer, join(scratch, `l${index}`));
  const lowers = layers.length === 0 ? ["l0"] : layers.map((_, index) => `l${index}`).toReversed();
  const options = [`lowerdir=${lowers.join(":")}`, "redirect_dir=off", "metacopy=off", "index=off", "xino=off"];
  if (upper !== undefined) {
    symlinkSync(dirname(upper.upperDir), join(scratch, "d"));
    options.push(`upperdir=d/${basename(upper.upperDir)}`, `workdir=d/${basename(upper.workDir)}`, "volatile");
  }
  const before = process.cwd();
  process.chdir(scratch);
  try {
    mount("overlay", "root", "overlay", 0, options.join(","));
  } finally {
    process.chdir(before);
  }
  return {
    root,
    unmount: () => {
      umount(root);
      remove();
    },
  };
}
