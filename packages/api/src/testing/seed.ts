import { createHash } from "node:crypto";
import type { Image, Resource, Spec } from "@plimsoll/core";
import { createBuild, createDeployment, createRelease, type Tx } from "@plimsoll/db";
import type { Fixture, TestHost } from "./fixture.ts";

/** An image that nobody has, named by `content`. */
export function testImage(content: string): Image {
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}` as const;
  const layer = `sha256:${createHash("sha256").update(`layer of ${content}`).digest("hex")}` as const;
  return {
    digest,
    config: {
      architecture: "amd64",
      os: "linux",
      env: [],
      entrypoint: [],
      cmd: ["/app"],
      user: "",
      workingDir: "/",
      exposedPorts: [],
      labels: {},
    },
    layers: [{ digest: layer, sizeBytes: 10 }],
  };
}

export interface SeededApp {
  readonly app: Resource<"App">;
  readonly build: Resource<"Build">;
  readonly release: Resource<"Release">;
  readonly deployment: Resource<"Deployment">;
}

/** Makes the app live on a release of `image`, as the controllers leave it after a push. */
export async function releaseApp(fixture: Fixture, namespace: Resource<"Namespace">, appName: string, image: string): Promise<SeededApp> {
  return fixture.commit(async ({ tx }) => {
    const found = await tx.objects.getByName("App", namespace.metadata.uid, appName);
    const app = await tx.objects.lock("App", found.metadata.uid);
    const source = { kind: "image" as const, reference: image };
    const build = await createBuild(tx, { namespace, app, source, requestedBy: "Ana" });
    const release = await createRelease(tx, {
      namespace,
      app,
      image: testImage(image),
      buildUid: build.metadata.uid,
      source,
      createdBy: "Ana",
    });
    const started = await createDeployment(tx, { namespace, app, release, reason: "push", createdBy: "Ana" });
    const now = new Date().toISOString();
    const deployment = await tx.objects.updateStatus(started, { ...started.status, phase: "complete", readyAt: now, finishedAt: now });
    await tx.objects.updateStatus(build, { ...build.status, phase: "succeeded", image: testImage(image), release: release.spec.number });
    const live = await tx.objects.updateStatus(app, { ...app.status, phase: "live", release: release.spec.number });
    return { app: live, build, release, deployment };
  });
}

export interface InstanceOptions {
  readonly desired?: Spec<"Instance">["desired"];
  readonly phase?: "scheduled" | "ready";
  readonly address?: string;
  readonly ordinal?: number;
}

/** Places an instance of a release's `web` on a host. */
export async function placeInstance(
  fixture: Fixture,
  namespace: Resource<"Namespace">,
  release: Resource<"Release">,
  host: TestHost,
  { desired = "running", phase = "scheduled", address, ordinal = 1 }: InstanceOptions = {},
): Promise<Resource<"Instance">> {
  return fixture.commit(({ tx }) =>
    tx.objects.create({
      kind: "Instance",
      name: `${release.spec.app}-web-${release.spec.number}-${Math.random().toString(36).slice(2, 7)}`,
      namespace,
      ownerUid: release.metadata.ownerUid ?? "",
      spec: {
        app: release.spec.app,
        process: "web",
        release: release.spec.number,
        ordinal,
        host: host.name,
        hostUid: host.uid,
        cpuMillis: 250,
        memoryBytes: 256 * 1024 ** 2,
        port: 8080,
        desired,
      },
      status: { phase, restarts: 0, ...(address === undefined ? {} : { address }) },
    }),
  );
}

/** Places a build on a host, as the build controller does. */
export async function placeBuild(tx: Tx, build: Resource<"Build">, host: TestHost): Promise<Resource<"Build">> {
  const current = await tx.objects.lock("Build", build.metadata.uid);
  return tx.objects.updateStatus(current, { ...current.status, phase: "placed", attempt: 1, host: host.name, hostUid: host.uid });
}
