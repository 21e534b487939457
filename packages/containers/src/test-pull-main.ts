import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { hostLayout } from "@plimsoll/host";
import { BaseImages } from "./base-images/base-images.ts";
import { ImageStore } from "./image-store.ts";
import { LayerStore } from "./layer-store.ts";

/* For tests, a program that pulls, and is killed while it does: `<data directory> <registry> <reference>`. */

const [dataDir = "", registry = "", reference = ""] = process.argv.slice(2);
const layout = { ...hostLayout({ name: "test", dataDir }), bundlesDir: join(dataDir, "secret") };
mkdirSync(layout.bundlesDir, { recursive: true });
const layers = new LayerStore(layout.layersDir);
const images = new ImageStore(layout.imagesDir, layers);
const credential = { username: "ana", password: "of-the-killed" };
await new BaseImages({ layout, layers, images, registries: { plainHttp: [registry] } }).resolve(reference, {
  puller: { namespaceUid: "ns", registries: { [registry]: { credential } } },
});
