import type { AnyClient } from "./client.ts";
import type { Push } from "./generated/client.ts";

export type PushState = "open" | "live" | "refused";

export interface PushRecord {
  readonly id: string;
  readonly appUid: string;
  readonly commit: string;
  readonly oldCommit: string;
  readonly branch: string;
  readonly subject: string;
  readonly author: string;
  readonly pusher: string;
  readonly buildUid?: string;
  readonly state: PushState;
  readonly reason?: string;
  readonly createdAt: Date;
}

/** What came in by git push, from its record to the moved branch. */
export class Pushes {
  readonly #client: AnyClient;

  constructor(client: AnyClient) {
    this.#client = client;
  }

  /** Records a push; false when it was recorded before (a push id is recorded once). */
  async record(push: Omit<PushRecord, "state" | "reason" | "createdAt">): Promise<boolean> {
    const { count } = await this.#client.push.createMany({
      data: [{ ...push, buildUid: push.buildUid ?? null, state: "open" }],
      skipDuplicates: true,
    });
    return count > 0;
  }

  async setBuild(id: string, buildUid: string): Promise<void> {
    await this.#client.push.update({ where: { id }, data: { buildUid } });
  }

  async find(id: string): Promise<PushRecord | undefined> {
    const row = await this.#client.push.findUnique({ where: { id } });
    return row ? toPush(row) : undefined;
  }

  /** Ids recorded for an app, newest first. */
  async idsOf(appUid: string): Promise<readonly string[]> {
    return (await this.#client.push.findMany({ where: { appUid }, select: { id: true }, orderBy: { createdAt: "desc" } })).map(
      ({ id }) => id,
    );
  }

  async open(appUid?: string): Promise<readonly PushRecord[]> {
    const rows = await this.#client.push.findMany({
      where: { state: "open", ...(appUid === undefined ? {} : { appUid }) },
      orderBy: { createdAt: "asc" },
    });
    return rows.map(toPush);
  }

  /** open → live | refused, once: false when another writer moved it first. Notified on `plimsoll_changes` with its id when it commits. */
  async finish(id: string, state: "live" | "refused", reason?: string): Promise<boolean> {
    const { count } = await this.#client.push.updateMany({
      where: { id, state: "open" },
      data: { state, reason: reason ?? null, finishedAt: new Date() },
    });
    if (count > 0) await this.#client.$executeRaw`SELECT pg_notify('plimsoll_changes', ${id})`;
    return count > 0;
  }
}

function toPush(row: Push): PushRecord {
  return {
    id: row.id,
    appUid: row.appUid,
    commit: row.commit,
    oldCommit: row.oldCommit,
    branch: row.branch,
    subject: row.subject,
    author: row.author,
    pusher: row.pusher,
    ...(row.buildUid === null ? {} : { buildUid: row.buildUid }),
    state: row.state as PushState,
    ...(row.reason === null ? {} : { reason: row.reason }),
    createdAt: row.createdAt,
  };
}
