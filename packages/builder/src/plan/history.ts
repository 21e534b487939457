import type { HistoryEntry } from "@plimsoll/core";

/** With more, only what made layers is told: it is in the config of each release. */
const MOST = 500;

/**
 * The history with as many entries of layers as there are layers (OCI image spec, config.md, asks for that): a step that changed nothing has
 * none, and what is below and has no history is its FROM line for each layer. `made`: for each step of the build, in order, did it make a layer? Pure.
 */
export function settleHistory(
  history: readonly HistoryEntry[],
  made: readonly boolean[],
  layers: { readonly count: number; readonly from: string },
): readonly HistoryEntry[] {
  const places = history.flatMap(({ emptyLayer }, index) => (emptyLayer === undefined ? [index] : []));
  const own = new Map(places.slice(places.length - made.length).map((place, index) => [place, made[index] === true]));
  const settled = history.map((entry, place): HistoryEntry => {
    return own.get(place) === false ? { createdBy: entry.createdBy, emptyLayer: true } : entry;
  });
  const missing = layers.count - settled.filter(({ emptyLayer }) => emptyLayer === undefined).length;
  const kept = settled.length > MOST ? settled.filter(({ emptyLayer }) => emptyLayer === undefined) : settled;
  return [...Array.from({ length: Math.max(0, missing) }, () => ({ createdBy: layers.from })), ...kept];
}
