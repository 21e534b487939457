import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { ImagePackages } from "@plimsoll/contracts";
import { AppError, type Digest, PACKAGE_SOURCES, PACKAGE_TYPES, PackageList } from "@plimsoll/core";
import type { Database } from "@plimsoll/db";
import { CYCLONEDX_TYPE, cycloneDx } from "./cyclonedx.ts";

/** Told to a host at a time; the next ones when it has done these. */
export const MOST_LISTS = 8;
/** A list is smaller by far: see what bounds it in packages/containers. */
const MOST_LIST_BYTES = 64 * 1024 ** 2;

const pack = promisify(gzip);
const unpack = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(gunzip);

/**
 * Keeps what a host found in an image that it was to list; without a list nobody is to make it, until the image is built again.
 * Idempotent; of a host that was not asked nothing is heard.
 */
export async function takePackages(db: Database, hostUid: string, image: string, list: PackageList | undefined): Promise<void> {
  if (list === undefined) await db.packages.giveUp(image, hostUid);
  else await db.packages.keep(image, hostUid, await pack(JSON.stringify(list)));
}

/** The packages of an image. Whoever asks may see an object that names it: the caller has read that. */
export async function packagesOf(db: Database, image: Digest): Promise<ImagePackages> {
  const record = await db.packages.find(image);
  const list = record?.list === undefined ? undefined : await opened(record.list);
  const lookedFor = PACKAGE_TYPES.map((type) => ({ type, what: PACKAGE_SOURCES[type] }));
  if (list === undefined)
    return { image, state: record === undefined ? "unknown" : "pending", counts: [], packages: [], notes: [], lookedFor };
  const counts = PACKAGE_TYPES.map((type) => ({ type, count: list.packages.filter((one) => one.type === type).length }));
  return {
    image,
    state: "listed",
    ...(record?.listedAt === undefined ? {} : { listedAt: record.listedAt.toISOString() }),
    ...list,
    counts: counts.filter(({ count }) => count > 0),
    lookedFor,
  };
}

/** What was asked for by `format` or by what the caller takes. */
export async function answerPackages(
  db: Database,
  { image, named, format, accept }: { image: Digest | undefined; named: string; format: "json" | "cyclonedx" | undefined; accept: string },
): Promise<ImagePackages | Response> {
  if (image === undefined) throw new AppError("not_found", `${named} made no image, so there is nothing that packages could be in.`);
  const packages = await packagesOf(db, image);
  if ((format ?? (accept.includes(CYCLONEDX_TYPE) ? "cyclonedx" : "json")) === "json") return packages;
  if (packages.state === "pending")
    throw new AppError("unavailable", `The packages of ${named} are being listed by its host; ask again in a moment.`, {
      retry: { afterMs: 2_000 },
    });
  if (packages.state === "unknown")
    throw new AppError("not_found", `The packages of ${named} were not listed; build it again to list them.`);
  return new Response(JSON.stringify(cycloneDx(packages, named)), {
    headers: {
      "content-type": `${CYCLONEDX_TYPE}; version=1.6`,
      "content-disposition": `attachment; filename="${named}.cdx.json"`,
    },
  });
}

async function opened(list: Uint8Array): Promise<PackageList> {
  return PackageList.parse(JSON.parse((await unpack(list, { maxOutputLength: MOST_LIST_BYTES })).toString("utf8")));
}
