import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { BaseImages, ImageStore, LayerStore } from "@plimsoll/containers";
import type { ImageConfig } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import type { Platform } from "../support/platform.ts";
import { type Docker, importImage } from "./docker.ts";

/**
 * Gives the engine the very files that the platform's builds start from, by the same name: whether they were pulled or made here, both
 * sides have the same base. The platform must have built from it before.
 */
export async function shareBaseImage({ host }: Platform, docker: Docker, scratch: string, reference: string): Promise<void> {
  const layers = new LayerStore(host.layersDir);
  const images = new ImageStore(host.imagesDir, layers);
  const { image } = await new BaseImages({ layout: host, layers, images }).resolve(reference);
  const merged = join(scratch, "base");
  const [empty, root, tar] = [join(merged, "empty"), join(merged, "root"), join(merged, "root.tar")];
  for (const directory of [empty, root]) await mkdir(directory, { recursive: true });
  // The topmost comes first; one that is empty below, because an overlay without an upper needs two.
  const lower = [...image.layers.map(({ digest }) => layers.dirOf(digest)).toReversed(), empty].join(":");
  await run(["mount", "-t", "overlay", "overlay", "-o", `ro,lowerdir=${lower}`, root]);
  try {
    await run(["tar", "--create", "--file", tar, "--numeric-owner", "--directory", root, "."], { timeoutMs: 120_000 });
  } finally {
    await run(["umount", root]);
  }
  await importImage(docker, tar, reference, dockerfileOf(image.config));
  await rm(merged, { recursive: true });
}

/** The image's settings as `docker import --change` takes them. */
function dockerfileOf({ env, entrypoint, cmd, user, workingDir }: ImageConfig): readonly string[] {
  return [
    ...env.map((one) => `ENV ${one.replace("=", '="')}"`),
    ...(entrypoint.length === 0 ? [] : [`ENTRYPOINT ${JSON.stringify(entrypoint)}`]),
    ...(cmd.length === 0 ? [] : [`CMD ${JSON.stringify(cmd)}`]),
    ...(user === "" ? [] : [`USER ${user}`]),
    ...(workingDir === "" ? [] : [`WORKDIR ${workingDir}`]),
  ];
}
