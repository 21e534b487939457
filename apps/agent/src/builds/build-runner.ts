import { join } from "node:path";
import { type Builder, createBuilder } from "@plimsoll/builder";
import { type Logger, systemClock } from "@plimsoll/config";
import type { BaseImages, ImageStore, LayerStore, Puller } from "@plimsoll/containers";
import { AppError, type BuildEvent } from "@plimsoll/core";
import type { CgroupDriver, HostLayout } from "@plimsoll/host";
import type { AgentWire } from "../wire.ts";
import type { BuildOutcome, RunBuild } from "./keeper.ts";

export interface BuildRunnerOptions {
  readonly layout: HostLayout;
  readonly cgroups: CgroupDriver;
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly baseImages: BaseImages;
  readonly wire: AgentWire;
  readonly uidBaseOf: (namespaceUid: string) => number;
  readonly certificatesFile?: string;
  readonly ioBytesPerSecond?: number;
  readonly log: Logger;
}

/** Builds on this host: a commit by its Dockerfile, an image reference by pulling it. */
export interface BuildRunner {
  readonly run: RunBuild;
  readonly builder: Builder;
}

export function createBuildRunner(options: BuildRunnerOptions): BuildRunner {
  const { layout, cgroups, layers, images, baseImages, wire, uidBaseOf, log } = options;
  const builder = createBuilder({
    layout,
    layers,
    images,
    baseImages,
    cgroups,
    network: {
      acquire: ({ buildId, userNamespacePath }) => wire.acquireBuild(buildId, userNamespacePath),
      release: (buildId) => wire.releaseBuild(buildId),
    },
    cacheDir: join(layout.stateDir, "build-cache"),
    clock: systemClock,
    ...(options.certificatesFile === undefined ? {} : { certificatesFile: options.certificatesFile }),
    ...(options.ioBytesPerSecond === undefined ? {} : { ioBytesPerSecond: options.ioBytesPerSecond }),
  });

  const run: RunBuild = async ({ assignment, repository, secrets, registries, signal, onEvent, onImage }) => {
    const { source, namespaceUid } = assignment;
    if (source.kind === "image") return pullImage(baseImages, source.reference, { puller: { namespaceUid, registries }, signal, onEvent });
    if (repository === undefined) throw new AppError("internal", "a build from git was started without its repository");
    const outcome = await builder.build(
      {
        id: assignment.uid,
        namespace: {
          uid: assignment.namespaceUid,
          uidBase: uidBaseOf(assignment.namespaceUid),
          name: assignment.repository.split("/").slice(0, 2).join("/"),
        },
        app: assignment.repository.split("/")[2] ?? "",
        repository,
        commit: source.commit,
        limits: assignment.limits,
        secrets,
        registries,
        ...(source.directory === undefined ? {} : { contextDir: source.directory }),
        ...(source.args === undefined ? {} : { buildArgs: source.args }),
        ...(source.contexts === undefined ? {} : { contexts: source.contexts }),
        noCache: source.noCache === true,
        ...(source.dockerfile === undefined ? {} : { dockerfile: source.dockerfile }),
        ...(source.target === undefined ? {} : { target: source.target }),
      },
      { onEvent, onImage, signal },
    );
    if (outcome.kind === "failure" && outcome.cause !== undefined)
      log.error("a build failed for a reason of ours", { build: assignment.uid, error: outcome.cause });
    return outcome;
  };
  return { run, builder };
}

/** An app from an image: what its registry has under the reference now is brought here. */
async function pullImage(
  baseImages: BaseImages,
  reference: string,
  { puller, signal, onEvent }: { readonly puller: Puller; readonly signal: AbortSignal; readonly onEvent: (event: BuildEvent) => void },
): Promise<BuildOutcome> {
  const began = Date.now();
  const atMs = () => Date.now() - began;
  onEvent({
    type: "plan",
    atMs: 0,
    dockerfile: reference,
    target: "image",
    steps: [{ index: 0, stage: "image", label: `FROM ${reference}`, line: 1 }],
  });
  onEvent({ type: "step-started", atMs: atMs(), step: 0 });
  try {
    const { image, notes = [], sourceDigest } = await baseImages.resolve(reference, { signal, puller, fresh: true });
    for (const text of notes) onEvent({ type: "notice", atMs: atMs(), text });
    onEvent({ type: "step-done", atMs: atMs(), step: 0, outcome: "done", durationMs: atMs() });
    const sizeBytes = image.layers.reduce((sum, layer) => sum + layer.sizeBytes, 0);
    onEvent({ type: "done", atMs: atMs(), image, sizeBytes, newBytes: 0 });
    return { kind: "image", image, newBytes: 0, ...(sourceDigest === undefined ? {} : { sourceDigest }) };
  } catch (error) {
    if (signal.aborted) return cancelled(onEvent, atMs());
    if (!(error instanceof AppError) || error.code === "internal") throw error;
    onEvent({ type: "step-done", atMs: atMs(), step: 0, outcome: "failed", durationMs: atMs() });
    const failure = { reason: "base_image", message: error.message } as const;
    onEvent({ type: "failed", atMs: atMs(), failure });
    return { kind: "failure", failure };
  }
}

function cancelled(onEvent: (event: BuildEvent) => void, atMs: number): BuildOutcome {
  const failure = { reason: "cancelled", message: "The pull was cancelled." } as const;
  onEvent({ type: "failed", atMs, failure });
  return { kind: "failure", failure };
}
