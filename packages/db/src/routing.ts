import { createHash } from "node:crypto";
import type { Tx } from "./transaction.ts";

/** Name of the backend of an app's process at every ingress: of [a-z0-9] whatever the app is called, the same for its whole life. */
export function backendId(appUid: string, process: string): string {
  return `b${createHash("sha256").update(`${appUid}/${process}`).digest("hex").slice(0, 20)}`;
}

/**
 * Something that ingress hosts route has changed: counts a routing version and wakes the ingress hosts whose lease lives (the others
 * read everything when they come back). For transactions of the platform; commits with the change, and is done at its end: the
 * counter is one row for the whole platform.
 */
export async function changeRouting(tx: Tx): Promise<void> {
  tx.atEnd("routing", async () => {
    const leases = await tx.platform.hostLeases();
    for (const host of await tx.objects.list("Host"))
      if (host.spec.roles.includes("ingress") && leases.get(host.metadata.uid)?.live) tx.wake("sync", host.metadata.uid);
    await tx.platform.bumpRouting();
  });
}
