import { mkdirSync, watch } from "node:fs";
import { join } from "node:path";
import { type Change, changes, versionOf } from "../support/database.ts";
import type { Platform } from "../support/platform.ts";

/** Where a push can be caught, in the order that it passes them. */
export const BOUNDARIES = ["received", "recorded", "building", "built", "released", "starting", "ready", "draining", "done"] as const;
export type Boundary = (typeof BOUNDARIES)[number];

export interface WatchedPush {
  readonly appUid: string;
  /** The namespace's uid. */
  readonly scope: string;
  readonly commit: string;
}

export interface Sighting {
  /** The boundary itself, or a later one where that was passed unseen. */
  readonly boundary: Boundary;
  /** The newest instance of the push's release, from `starting` on. */
  readonly instanceUid?: string;
}

/**
 * Resolves at the moment when the push of a commit passes a boundary: `received` when git has kept its ref, all others when the
 * transaction is committed that makes it so. Arm it before the push begins; it is armed when `armed` resolves.
 */
export function watchBoundary(
  platform: Platform,
  push: WatchedPush,
  boundary: Boundary,
  signal: AbortSignal,
): { readonly armed: Promise<void>; readonly passed: Promise<Sighting> } {
  if (boundary === "received") return { armed: Promise.resolve(), passed: keptRef(platform, push.appUid, signal) };
  const version = versionOf(platform, push.scope);
  return { armed: version.then(() => undefined), passed: version.then((after) => committed(platform, push, boundary, after, signal)) };
}

function keptRef({ layout }: Platform, appUid: string, signal: AbortSignal): Promise<Sighting> {
  const directory = join(layout.dataDir, "git", "repositories", `${appUid}.git`, "refs", "plim", "pushes");
  mkdirSync(directory, { recursive: true });
  return new Promise((resolve, reject) => {
    const watcher = watch(directory, { signal }, (_event, name) => {
      if (name === null || name.endsWith(".lock")) return;
      resolve({ boundary: "received" });
      watcher.close();
    });
    watcher.once("error", reject);
    signal.addEventListener("abort", () => reject(new Error("no push was received")), { once: true });
  });
}

async function committed(
  platform: Platform,
  { appUid, scope, commit }: WatchedPush,
  boundary: Boundary,
  after: number,
  signal: AbortSignal,
): Promise<Sighting> {
  const wanted = BOUNDARIES.indexOf(boundary);
  let build: string | undefined;
  let release: number | undefined;
  for await (const change of changes(platform, scope, after, signal)) {
    const { kind, uid, object } = change;
    if (object.metadata.ownerUid !== appUid) continue;
    if (kind === "Build" && (object.spec.source as { commit?: string }).commit === commit) build = uid;
    if (kind === "Release" && object.spec.buildUid === build && build !== undefined) release = object.spec.number as number;
    const ours =
      (kind === "Build" && uid === build) || (release !== undefined && [object.spec.release, object.spec.number].includes(release));
    const passed = ours ? boundaryOf(change) : undefined;
    if (passed === undefined || BOUNDARIES.indexOf(passed) < wanted) continue;
    return { boundary: passed, ...(kind === "Instance" ? { instanceUid: uid } : {}) };
  }
  throw new Error(`the push never came to \`${boundary}\``);
}

/** The boundary that a change of the push's own build, release, deployment or instance means. */
function boundaryOf({ kind, type, object }: Change): Boundary | undefined {
  const phase = object.status.phase;
  switch (kind) {
    case "Build":
      return type === "created" ? "recorded" : phase === "running" ? "building" : phase === "succeeded" ? "built" : undefined;
    case "Release":
      return type === "created" ? "released" : undefined;
    case "Instance":
      return phase === "starting" ? "starting" : phase === "ready" ? "ready" : undefined;
    case "Deployment":
      return phase === "draining" ? "draining" : phase === "complete" ? "done" : undefined;
    default:
      return undefined;
  }
}
