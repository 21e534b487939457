import type { Resource } from "@plimsoll/core";
import { activeBuild, activeDeployment } from "#features/deployment/timeline.ts";
import { type AppState, appState } from "#ui/state-looks.ts";

export interface AppRow {
  readonly name: string;
  readonly phase: AppState;
  readonly url: string | undefined;
  readonly release: number | undefined;
  /** When that release began to serve. */
  readonly liveSince: string | undefined;
  readonly underWay:
    | { readonly kind: "build"; readonly build: Resource<"Build"> }
    | { readonly kind: "deployment"; readonly release: number }
    | undefined;
  readonly processes: readonly { readonly name: string; readonly ready: number; readonly desired: number }[];
  readonly message: string | undefined;
}

/** Apps as the dashboard lists them: by name, with what is known of their release and of what is under way. */
export function appRows(
  apps: readonly Resource<"App">[],
  deployments: readonly Resource<"Deployment">[],
  builds: readonly Resource<"Build">[],
): AppRow[] {
  const deploymentsOf = Map.groupBy(deployments, (one) => one.spec.app);
  const buildsOf = Map.groupBy(builds, (one) => one.spec.app);
  return apps
    .map((app): AppRow => {
      const name = app.metadata.name;
      const own = deploymentsOf.get(name) ?? [];
      const rolling = activeDeployment(own);
      const building = activeBuild(buildsOf.get(name) ?? []);
      return {
        name,
        phase: appState(app),
        url: app.status.urls[0],
        release: app.status.release,
        liveSince: liveSince(own, app.status.release),
        underWay: rolling
          ? { kind: "deployment", release: rolling.spec.release }
          : building
            ? { kind: "build", build: building }
            : undefined,
        processes: Object.entries(app.status.processes)
          .map(([process, { ready, desired }]) => ({ name: process, ready, desired }))
          .sort((a, b) => Number(b.name === "web") - Number(a.name === "web") || a.name.localeCompare(b.name)),
        message: app.status.message,
      };
    })
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** When the release began to serve: its latest deployment's readiness. */
export function liveSince(deployments: readonly Resource<"Deployment">[], release: number | undefined): string | undefined {
  return deployments
    .filter((one) => one.spec.release === release)
    .map((one) => one.status.readyAt ?? one.status.finishedAt)
    .filter((at) => at !== undefined)
    .sort()
    .at(-1);
}
