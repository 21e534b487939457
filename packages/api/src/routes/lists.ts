import { AppError, type Kind, type Resource } from "@plimsoll/core";
import type { ListOptions, ObjectReader } from "@plimsoll/db";
import type { z } from "zod";
import type { ListQuery } from "./schemas.ts";

/** Kinds of which people look for the latest first. */
const NEWEST_FIRST: ReadonlySet<Kind> = new Set(["Build", "Release", "Deployment", "Event"]);

/**
 * One page of the objects of a kind in a scope. `version` is read first: a watch from it misses nothing that the page does not show.
 */
export async function listPage<K extends Kind>(
  reader: ObjectReader,
  kind: K,
  scopeUid: string,
  query: z.output<typeof ListQuery>,
): Promise<{ items: Resource<K>[]; version: number; continue?: string }> {
  const version = await reader.version(scopeUid);
  const options: ListOptions = {
    in: scopeUid,
    limit: query.limit + 1,
    newestFirst: NEWEST_FIRST.has(kind),
    ...(query.labels === undefined ? {} : { labels: parseLabels(query.labels) }),
    ...(query.continue === undefined ? {} : { after: parseContinue(query.continue) }),
    ...(query.app === undefined ? {} : { ownerUid: (await reader.getByName("App", scopeUid, query.app)).metadata.uid }),
  };
  const found = await reader.list(kind, options);
  const items = found.slice(0, query.limit);
  const last = items.at(-1);
  return found.length <= query.limit || last === undefined
    ? { items, version }
    : { items, version, continue: Buffer.from(last.metadata.uid).toString("base64url") };
}

/** `a=b,c=d` */
export function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const part of text.split(",").filter((one) => one !== "")) {
    const at = part.indexOf("=");
    if (at < 1) throw new AppError("invalid", `\`${part.slice(0, 80)}\` is no label selector; write name=value.`);
    labels[part.slice(0, at).trim()] = part.slice(at + 1).trim();
  }
  return labels;
}

function parseContinue(token: string): string {
  const uid = Buffer.from(token, "base64url").toString("latin1");
  if (!/^[a-z0-9_]{1,64}$/.test(uid)) throw new AppError("invalid", "`continue` is not what a page answered; begin with the first page.");
  return uid;
}
