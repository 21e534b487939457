import { AppError, type Resource } from "@plimsoll/core";
import type { Tx } from "./transaction.ts";

export interface EventNote {
  readonly type: "normal" | "warning";
  /** One word of a closed set, as people filter by: `Ready`, `OutOfMemory`. */
  readonly reason: string;
  /** What happened and what to do, never a secret. */
  readonly message: string;
  readonly at?: Date;
}

/**
 * Records something that happened to an object of a namespace. Events of the same object and reason are one, with a count, the latest
 * time and message; it belongs to the app and goes with it.
 */
export async function recordEvent(tx: Tx, regarding: Resource, { type, reason, message, at = new Date() }: EventNote): Promise<void> {
  const { uid, kind, name, namespaceUid, namespace = "", team, teamUid, ownerUid } = regarding.metadata;
  if (namespaceUid === undefined) throw new AppError("internal", `An event needs a namespace; ${kind} ${name} is in none.`);
  const eventName = `${uid}.${reason}`;
  const spec = { regarding: { kind, uid, name }, type, reason, message, lastAt: at.toISOString() };
  const known = await tx.objects.findByName("Event", namespaceUid, eventName);
  if (known !== undefined) {
    const locked = await tx.objects.lock("Event", known.metadata.uid);
    await tx.objects.updateSpec(locked, { ...spec, count: locked.spec.count + 1 });
    return;
  }
  const created = tx.objects.create({
    kind: "Event",
    name: eventName,
    namespace: {
      metadata: {
        uid: namespaceUid,
        name: namespace,
        ...(team === undefined ? {} : { team }),
        ...(teamUid === undefined ? {} : { teamUid }),
      },
    },
    spec: { ...spec, count: 1 },
    status: {},
    ...(kind === "App" ? { ownerUid: uid } : ownerUid === undefined ? {} : { ownerUid }),
  });
  await created.catch((error: unknown) => {
    // Another transaction recorded the same at the same time: it counts once.
    if (!(error instanceof AppError) || error.code !== "conflict") throw error;
  });
}
