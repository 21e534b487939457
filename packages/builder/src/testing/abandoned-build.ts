import { ImageStore, LayerStore } from "@plimsoll/containers";
import { AppError } from "@plimsoll/core";
import { cgroupDriver, ensureNetworkNamespace, removeNetworkNamespace } from "@plimsoll/host";
import { createBuilder } from "../builder.ts";

/*
 * For tests: an agent of its own that runs one build and is then killed without a word. Its argument is JSON: layout, cacheDir, request,
 * and images by reference. Every event is printed as a line.
 */
const { layout, cacheDir, request, images: known } = JSON.parse(process.argv[2] ?? "{}");
const layers = new LayerStore(layout.layersDir);
const images = new ImageStore(layout.imagesDir, layers);
const builder = createBuilder({
  layout,
  layers,
  images,
  baseImages: {
    resolve: async (reference) => {
      const image = images.get(known[reference]);
      if (image === undefined) throw new AppError("not_found", reference);
      return { image };
    },
    kept: () => new Set(),
  },
  cgroups: cgroupDriver(layout),
  network: {
    acquire: async ({ buildId, userNamespacePath }) => ({
      path: await ensureNetworkNamespace(layout, `b-${buildId}`, userNamespacePath),
      nameservers: [],
    }),
    release: (buildId) => removeNetworkNamespace(layout, `b-${buildId}`),
  },
  cacheDir,
  clock: { now: () => new Date() },
});
const outcome = await builder.build(request, {
  onEvent: (event) => console.log(JSON.stringify(event)),
  signal: new AbortController().signal,
});
console.log(JSON.stringify(outcome));
