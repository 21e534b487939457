import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode, type HostLayout, hideHybridCgroup, MS, mount, mountIdMapped, mountOverlay, RootedTree } from "@plimsoll/host";
import { type ContainerUser, resolveUser } from "./container-user.ts";
import { destinationIn } from "./mount-point-stubs.ts";
import { type BindMount, type ContainerSpec, ociSpec } from "./oci-spec.ts";
import { placeMounts, type SandboxMount } from "./sandbox-mounts.ts";

/** All that is needed to make a container's root file system and bundle; plain data, so that it can cross a process boundary. */
export interface BundleRequest {
  readonly layout: HostLayout;
  readonly bundleDir: string;
  /** Directories, bottom first. */
  readonly layers: readonly string[];
  readonly upperDir: string;
  readonly workDir: string;
  /** As in an image's USER. */
  readonly user: string;
  /** Contents of files that are bound read-only into the container, by destination. */
  readonly files: Readonly<Record<string, string>>;
  /** Directories or files with container-side ids on disk, shown with them inside. */
  readonly idMapped?: readonly BindMount[];
  /** What a build step brings along, in this order, after all else. */
  readonly brought?: readonly SandboxMount[];
  readonly container: Omit<ContainerSpec, "rootPath" | "user">;
}

/** Where the init program appears in a container: on its /dev, so that nothing of it is left in the image's tree. */
export const INIT_PATH = "/dev/plimsoll-init";
export const INIT_BINARY = "/usr/bin/tini-static";

/**
 * Mounts the snapshot and writes the bundle. Synchronous and on the main thread, in a private mount namespace whose
 * `layout.mountsDir` nobody else uses. Returns the root and who the container runs as.
 */
export function makeBundle(request: BundleRequest): { readonly rootPath: string; readonly user: ContainerUser } {
  const { layout, container } = request;
  hideHybridCgroup();
  mount("tmpfs", layout.mountsDir, "tmpfs", MS.noSuid | MS.noDev, "mode=0711,size=16m");
  const scratch = join(layout.mountsDir, "s");
  const filesDir = join(layout.mountsDir, "f");
  for (const dir of [scratch, filesDir]) mkdirSync(dir, { mode: 0o711 });

  const rootPath = mountOverlay({
    layers: request.layers,
    upper: { upperDir: request.upperDir, workDir: request.workDir },
    usernsPath: container.userNamespace.path,
    uidBase: container.userNamespace.uidBase,
    scratch,
  });
  const fileBinds = Object.entries(request.files).map(([destination, content], index) => {
    // The container's root opens it, so it must be readable for an id that the host does not know.
    const source = join(filesDir, String(index));
    writeFileSync(source, content, { mode: 0o644 });
    return { source, destination, readOnly: true };
  });
  const mappedBinds = (request.idMapped ?? []).map((bind, index) => {
    const source = join(filesDir, `b${index}`);
    if (statSync(bind.source).isDirectory()) mkdirSync(source);
    else writeFileSync(source, "");
    mountIdMapped(bind.source, source, container.userNamespace.path, { readOnly: bind.readOnly });
    return { ...bind, source };
  });
  const broughtBinds = broughtInto(rootPath, placeMounts(request.brought ?? [], layout.mountsDir, container.userNamespace));
  const user = userIn(rootPath, request.user);
  const spec = ociSpec({ ...container, rootPath, user, binds: [...container.binds, ...fileBinds, ...mappedBinds, ...broughtBinds] });
  mkdirSync(request.bundleDir, { recursive: true, mode: 0o700 });
  writeFileSync(join(request.bundleDir, "config.json"), JSON.stringify(spec), { mode: 0o600 });
  return { rootPath, user };
}

function broughtInto(rootPath: string, mounts: ReturnType<typeof placeMounts>): ReturnType<typeof placeMounts> {
  using tree = new RootedTree(rootPath);
  return mounts.map((one) => ({ ...one, destination: destinationIn(tree, one.destination) }));
}

function userIn(rootPath: string, user: string): ContainerUser {
  using tree = new RootedTree(rootPath);
  return resolveUser(user, textOf(tree, "etc/passwd"), textOf(tree, "etc/group"));
}

/** Empty where the image has no such file. */
function textOf(tree: RootedTree, path: string): string {
  try {
    return tree.readFile(path, 4 * 1024 * 1024).toString();
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EINVAL", "ELOOP"].includes(errorCode(error) ?? "")) return "";
    throw error;
  }
}
