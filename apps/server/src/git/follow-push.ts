import { AppError, type BuildEvent } from "@plimsoll/core";
import { asUnavailable, type Database, PLATFORM } from "@plimsoll/db";
import type { PushProgress } from "@plimsoll/git";
import type { Notifier } from "../notifier.ts";
import { type BuildLogEntry, type PushSnapshot, PushStory } from "./push-story.ts";

/** A notification may be lost with its connection: look anyway after this time. */
const FALLBACK_MS = 2_000;
/** How long a database that does not answer is waited for, and how often it is asked. */
const PATIENCE_MS = 60_000;
const AWAY_PAUSE_MS = 250;

/** Follows a push from its record to its outcome, by notification; what it tells is read from Postgres alone. */
export async function* followPush(db: Database, notifier: Notifier, pushId: string, signal: AbortSignal): AsyncGenerator<PushProgress> {
  const story = new PushStory();
  let awaySinceMs: number | undefined;
  while (!signal.aborted && !story.over) {
    try {
      const push = await db.pushes.find(pushId);
      const keys = push === undefined ? [] : [pushId, ...(await watchedKeys(db, push.appUid, push.buildUid))];
      const change = notifier.changed(keys, FALLBACK_MS, signal);
      const snapshot = await readSnapshot(db, pushId, story);
      awaySinceMs = undefined;
      if (snapshot !== undefined) for (const progress of story.tell(snapshot, Date.now())) yield progress;
      if (!story.over) await change;
    } catch (error) {
      // The deploy goes on while the database is restarted, and so does whoever watches it.
      const known = asUnavailable(error);
      awaySinceMs ??= Date.now();
      if (!(known instanceof AppError) || known.code !== "unavailable" || Date.now() - awaySinceMs > PATIENCE_MS) throw known;
      await notifier.changed([], AWAY_PAUSE_MS, signal);
    }
  }
}

async function watchedKeys(db: Database, appUid: string, buildUid: string | undefined): Promise<readonly string[]> {
  const app = await db.objects(PLATFORM).find("App", appUid);
  const namespaceUid = app?.metadata.namespaceUid;
  return [...(namespaceUid === undefined ? [] : [namespaceUid]), ...(buildUid === undefined ? [] : [buildUid])];
}

async function readSnapshot(db: Database, pushId: string, story: PushStory): Promise<PushSnapshot | undefined> {
  const objects = db.objects(PLATFORM);
  const push = await db.pushes.find(pushId);
  if (push === undefined) return undefined;
  const [app, build, deployments] = await Promise.all([
    objects.find("App", push.appUid),
    push.buildUid === undefined ? undefined : objects.find("Build", push.buildUid),
    objects.list("Deployment", { ownerUid: push.appUid, newestFirst: true, limit: 20 }),
  ]);
  // The build's state first, its log after: when it is over, the log that is read is whole.
  const buildEvents = push.buildUid === undefined ? [] : await readBuildLog(db, push.buildUid, story);
  const deployment = deployments.find(({ spec }) => spec.pushId === pushId);
  const release =
    deployment === undefined || app === undefined
      ? undefined
      : (await objects.list("Release", { ownerUid: app.metadata.uid, newestFirst: true, limit: 20 })).find(
          ({ spec }) => spec.number === deployment.spec.release,
        );
  const instances =
    deployment === undefined
      ? []
      : (await objects.list("Instance", { ownerUid: push.appUid })).filter(({ spec }) => spec.release === deployment.spec.release);
  const newest = (await db.pushes.idsOf(push.appUid))[0];
  const newer = newest === undefined || newest === pushId ? undefined : await db.pushes.find(newest);
  return {
    push,
    app,
    build,
    buildEvents,
    release,
    deployment,
    instances,
    newer,
  };
}

async function readBuildLog(db: Database, buildUid: string, story: PushStory): Promise<readonly BuildLogEntry[]> {
  const read = async (afterSeq: number) =>
    (await db.platform.buildLog(buildUid, afterSeq)).map(({ seq, event }) => ({ seq, event: event as BuildEvent }));
  const entries = await read(story.seq - 1);
  return story.continues(entries) ? entries : read(-1);
}
