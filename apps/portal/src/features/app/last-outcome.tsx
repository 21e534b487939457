"use client";

import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { activeBuild, activeDeployment, deploymentOf, deploymentOver, newest, sourceLabel } from "#features/deployment/timeline.ts";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { Note } from "#ui/problem-note.tsx";
import { StateMark } from "#ui/state-mark.tsx";
import { Elapsed } from "#ui/time.tsx";
import { namespacePath } from "#watch/collections.ts";
import { useList } from "#watch/hooks.tsx";
import classes from "./app.module.css";
import type { AppRef } from "./app-ref.ts";

/** What is under way; else, when the last try did not go live, why. Nothing when all is well. */
export function LastOutcome({ at, app }: { readonly at: AppRef; readonly app: Resource<"App"> }) {
  const t = useTranslations("app");
  const scope = namespacePath(at.team, at.namespace);
  const builds = useList(scope, "builds", at.app);
  const deployments = useList(scope, "deployments", at.app);
  if (!builds.loaded || !deployments.loaded) return null;

  const rolling = activeDeployment(deployments.items);
  if (rolling) {
    return (
      <div className={classes.way}>
        <StateMark of="deployment" state={rolling.status.phase} />
        <AppLink className={classes.wayLink} href={to.deployment(at.team, at.namespace, at.app, rolling.metadata.name)}>
          {t("rolling", { release: rolling.spec.release })}
        </AppLink>
        {rolling.status.message && <span className={classes.waySubject}>{rolling.status.message}</span>}
        <span className={classes.wayTime}>
          <Elapsed since={rolling.metadata.createdAt} />
        </span>
      </div>
    );
  }
  const building = activeBuild(builds.items);
  if (building) {
    const source = sourceLabel(building.spec.source);
    return (
      <div className={classes.way}>
        <StateMark of="build" state={building.status.phase} />
        <AppLink className={classes.wayLink} href={to.build(at.team, at.namespace, at.app, building.metadata.name)}>
          {t("building", { commit: source?.short ?? "" })}
        </AppLink>
        <span className={classes.waySubject}>{building.status.message ?? source?.subject}</span>
        <span className={classes.wayTime}>
          <Elapsed since={building.metadata.createdAt} />
        </span>
      </div>
    );
  }
  const build = newest(builds.items);
  const deployment = newest(deployments.items);
  if (
    build?.status.phase === "failed" &&
    !deploymentOf(build, deployments.items) &&
    !(deployment && deployment.metadata.createdAt > build.metadata.createdAt)
  ) {
    return (
      <Note tone="bad" title={t("buildFailed", { number: build.spec.number })}>
        {build.status.failure?.message ?? build.status.message}{" "}
        <AppLink href={to.build(at.team, at.namespace, at.app, build.metadata.name)}>{t("seeLog")}</AppLink>
        {app.status.release !== undefined && <> · {t("stays", { release: app.status.release })}</>}
      </Note>
    );
  }
  if (deployment && deploymentOver(deployment.status.phase) && deployment.status.phase === "failed") {
    return (
      <Note tone="bad" title={t("rolloutFailed", { release: deployment.spec.release })}>
        {deployment.status.failure?.reason ?? deployment.status.message}{" "}
        <AppLink href={to.deployment(at.team, at.namespace, at.app, deployment.metadata.name)}>{t("seeLog")}</AppLink>
        {app.status.release !== undefined && <> · {t("stays", { release: app.status.release })}</>}
      </Note>
    );
  }
  return null;
}
