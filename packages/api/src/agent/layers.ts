import { AppError, isDigest, type Resource } from "@plimsoll/core";
import { PLATFORM } from "@plimsoll/db";
import type { Api } from "../context.ts";
import type { StreamHost } from "../streams/broker.ts";
import { hostsWith } from "./hosts-with.ts";

/**
 * A layer's archive, from a live host that has it to one that needs it: only layers of images that instances bound to the asking host
 * run. Tries the host that built the image first, then those that run it. `unavailable` says which hosts were asked in vain.
 */
export async function fetchLayer(
  api: Api,
  hostUid: string,
  digest: string,
  from: string | undefined,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  if (!isDigest(digest)) throw new AppError("invalid", "A layer is named sha256: and 64 hex digits.");
  const holders = await holdersOf(api, hostUid, digest, from);
  let last: unknown;
  for (const holder of holders) {
    try {
      return await api.streams.open(holder, { kind: "layer", digest }, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      last = error;
    }
  }
  const names = holders.map(({ name }) => name).join(", ") || "none that is reachable";
  throw new AppError("unavailable", `No host gave layer ${digest.slice(0, 19)}…; asked: ${names}. It is tried again.`, { cause: last });
}

/** Live hosts that should have the layer, best first. */
async function holdersOf(api: Api, hostUid: string, digest: string, from: string | undefined): Promise<readonly StreamHost[]> {
  const objects = api.db.objects(PLATFORM);
  const mine = await objects.list("Instance", { hostUid });
  const appUids = new Set(mine.map(({ metadata }) => metadata.ownerUid));
  const wanted: Resource<"Release">[] = [];
  for (const appUid of appUids) {
    const numbers = new Set(mine.filter(({ metadata }) => metadata.ownerUid === appUid).map(({ spec }) => spec.release));
    const releases = appUid === undefined ? [] : await objects.list("Release", { ownerUid: appUid });
    wanted.push(...releases.filter(({ spec }) => numbers.has(spec.number) && spec.image.layers.some((layer) => layer.digest === digest)));
  }
  if (wanted.length === 0) throw new AppError("not_found", "No instance on this host needs such a layer.");
  return (await hostsWith(api.db, wanted, from)).filter(({ uid }) => uid !== hostUid);
}
