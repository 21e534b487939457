import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { errorCode, RootedTree } from "@plimsoll/host";
import { listPackages } from "./list-packages.ts";
import type { LayerDirectory } from "./protocol.ts";
import { type LayerRecord, readLayer } from "./read-layer.ts";
import { showsThrough } from "./visible.ts";

/*
 * The program that lists the packages of one image: what it reads is a stranger's, so it is a process that may die. Its input is the
 * image's layers, bottom first; what it reads of each is kept beside it, and a layer that has such a record is not read again. Its
 * output is the list. Before it begins with a layer, it says which one on standard error: who started it then knows what it died of.
 */

const MOST_RECORD_BYTES = 64 * 1024 ** 2;

function recordOf({ dir, recordPath }: LayerDirectory, index: number): LayerRecord {
  const kept = keptRecord(recordPath);
  if (kept !== undefined) return kept;
  process.stderr.write(`layer ${index}\n`);
  using tree = new RootedTree(dir);
  const record = readLayer(tree);
  writeRecord(recordPath, record);
  return record;
}

/** Whole or not at all; one that is damaged is made anew. */
function keptRecord(path: string): LayerRecord | undefined {
  try {
    return JSON.parse(gunzipSync(readFileSync(path), { maxOutputLength: MOST_RECORD_BYTES }).toString("utf8")) as LayerRecord;
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error)?.startsWith("Z_") === true || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function writeRecord(path: string, record: LayerRecord): void {
  const temporary = `${path}.${process.pid}.new`;
  writeFileSync(temporary, gzipSync(JSON.stringify(record)), { mode: 0o600 });
  renameSync(temporary, path);
}

const layers = JSON.parse(readFileSync(0, "utf8")) as readonly LayerDirectory[];
const records = layers.map(recordOf);
process.stderr.write("all read\n");
// What a layer hides is asked only for files that lower ones have.
const trees = layers.map(({ dir }) => new RootedTree(dir));
const through = trees.map(showsThrough);
const list = listPackages(records, (layer, path) => through.slice(layer + 1).every((shows) => shows(path)));
for (const tree of trees) tree[Symbol.dispose]();
process.stdout.write(JSON.stringify(list));
