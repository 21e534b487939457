import { errorCode, type RootedTree } from "@plimsoll/host";

/**
 * Which files of lower layers show through one layer, as an overlay would: a path is hidden where this layer has anything but a directory
 * at it or above it, a whiteout among others, or a directory above it that is opaque. Exact without a list of whiteouts; what is asked
 * of a directory is asked once. `isShown(path)` is for files of layers below this one.
 */
export function showsThrough(tree: RootedTree): (path: string) => boolean {
  const directories = new Map<string, "hides" | "absent" | "here">([["", "here"]]);
  const look = (path: string): "hides" | "absent" | "here" => {
    const known = directories.get(path);
    if (known !== undefined) return known;
    const slash = path.lastIndexOf("/");
    const above = look(path.slice(0, Math.max(slash, 0)));
    const state = above === "here" ? lookAt(tree, path) : above;
    directories.set(path, state);
    return state;
  };
  return (path) => {
    const above = look(path.slice(0, Math.max(path.lastIndexOf("/"), 0)));
    return above === "absent" || (above === "here" && !tree.exists(path));
  };
}

function lookAt(tree: RootedTree, path: string): "hides" | "absent" | "here" {
  try {
    if (!tree.lstat(path).isDirectory()) return "hides";
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return "absent";
    throw error;
  }
  const attributes = tree.xattrs(path);
  return attributes.get("trusted.overlay.opaque")?.toString() === "y" ? "hides" : "here";
}
