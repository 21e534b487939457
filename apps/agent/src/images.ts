import type { ImageStore, LayerStore } from "@plimsoll/containers";
import { AppError, type Digest, type Image } from "@plimsoll/core";
import type { ServerApi } from "./api-client.ts";
import type { ImageFetcher } from "./instances/ports.ts";

/** Brings images that another host built: layer archives over the API, each verified against its digest by the store. */
export function imageFetcher(api: ServerApi, layers: LayerStore, images: ImageStore): ImageFetcher {
  const fetching = new Map<Digest, Promise<void>>();

  async function fetchLayer(digest: Digest): Promise<void> {
    await layers.importArchive(digest, await api.fetchLayer(digest));
  }

  return {
    async ensure(image: Image) {
      if (images.get(image.digest) !== undefined) return;
      await Promise.all(
        image.layers
          .filter(({ digest }) => !layers.has(digest))
          .map(({ digest }) => {
            const under = fetching.get(digest) ?? fetchLayer(digest).finally(() => fetching.delete(digest));
            fetching.set(digest, under);
            return under;
          }),
      );
      const stored = await images.put(image.config, image.layers);
      if (stored.digest !== image.digest)
        throw new AppError("internal", `Image ${image.digest} arrived as ${stored.digest}; it was changed on its way.`, { retry: "never" });
    },
  };
}
