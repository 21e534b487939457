import type { BuildPhase, DeploymentPhase, Resource } from "@plimsoll/core";

const OVER = {
  pending: false,
  placed: false,
  running: false,
  succeeded: true,
  failed: true,
  cancelled: true,
  superseded: true,
} satisfies Record<BuildPhase, boolean>;
const ROLLED = { starting: false, draining: false, complete: true, failed: true, superseded: true } satisfies Record<
  DeploymentPhase,
  boolean
>;

/** As core's isBuildOver, which a browser could only have together with all of core's schemas. */
export function buildOver(phase: BuildPhase): boolean {
  return OVER[phase];
}

export function deploymentOver(phase: DeploymentPhase): boolean {
  return ROLLED[phase];
}

/** The newest build that is not over. */
export function activeBuild(builds: readonly Resource<"Build">[]): Resource<"Build"> | undefined {
  return newest(builds.filter((build) => !buildOver(build.status.phase)));
}

/** The newest deployment that is not over. */
export function activeDeployment(deployments: readonly Resource<"Deployment">[]): Resource<"Deployment"> | undefined {
  return newest(deployments.filter((deployment) => !deploymentOver(deployment.status.phase)));
}

/** The one with the highest number. */
export function newest<T extends { readonly spec: { readonly number: number } }>(objects: readonly T[]): T | undefined {
  return objects.reduce<T | undefined>((best, one) => (best && best.spec.number >= one.spec.number ? best : one), undefined);
}

/** One line of an app's history: a deployment with the build and release it came from, or a build that made no release (yet). */
export type Entry =
  | {
      readonly kind: "deployment";
      readonly at: string;
      readonly deployment: Resource<"Deployment">;
      readonly release: Resource<"Release"> | undefined;
      readonly build: Resource<"Build"> | undefined;
    }
  | { readonly kind: "build"; readonly at: string; readonly build: Resource<"Build"> };

/** The app's history, newest first. */
export function timeline(
  builds: readonly Resource<"Build">[],
  releases: readonly Resource<"Release">[],
  deployments: readonly Resource<"Deployment">[],
): Entry[] {
  const releaseOf = new Map(releases.map((release) => [release.spec.number, release]));
  const buildOf = new Map(builds.map((build) => [build.metadata.uid, build]));
  const released = new Set(deployments.map((deployment) => deployment.spec.release));
  const entries: Entry[] = deployments.map((deployment) => {
    const release = releaseOf.get(deployment.spec.release);
    const build = release?.spec.buildUid === undefined ? undefined : buildOf.get(release.spec.buildUid);
    return { kind: "deployment", at: deployment.metadata.createdAt, deployment, release, build };
  });
  for (const build of builds) {
    if (build.status.release !== undefined && released.has(build.status.release)) continue;
    entries.push({ kind: "build", at: build.metadata.createdAt, build });
  }
  return entries.sort((a, b) => b.at.localeCompare(a.at) || rank(b) - rank(a));
}

function rank(entry: Entry): number {
  return entry.kind === "deployment" ? entry.deployment.spec.number : entry.build.spec.number;
}

/** The deployment that rolls out what a build made: the first one of its release. */
export function deploymentOf(build: Resource<"Build">, deployments: readonly Resource<"Deployment">[]): Resource<"Deployment"> | undefined {
  if (build.status.release === undefined) return undefined;
  return deployments
    .filter((one) => one.spec.release === build.status.release)
    .sort((a, b) => a.spec.number - b.spec.number)
    .at(0);
}

/** What a person calls a source: commit and subject, or the image's name. */
export function sourceLabel(
  source: Resource<"Build">["spec"]["source"] | undefined,
): { readonly short: string; readonly subject: string } | undefined {
  if (!source) return undefined;
  return source.kind === "git"
    ? { short: source.commit.slice(0, 7), subject: source.subject }
    : { short: source.reference, subject: pinned(source) };
}

/** What the reference stood for, in short. */
function pinned({ digest }: { readonly digest?: string | undefined }): string {
  return digest === undefined ? "" : digest.slice(0, "sha256:".length + 12);
}
