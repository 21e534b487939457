"use client";

import { Button } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { type ReactNode, useEffect, useMemo, useState } from "react";
import { request } from "#api/request.ts";
import type { AppRef } from "#features/app/app-ref.ts";
import { InstanceTable } from "#features/app/instance-table.tsx";
import { RollbackDialog } from "#features/app/rollback-dialog.tsx";
import { useBuildLog } from "#log/use-build-log.ts";
import { useSession } from "#session/session.tsx";
import { usePlim } from "#session/use-plim.ts";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { Fact, Page } from "#ui/page.tsx";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { StateMark } from "#ui/state-mark.tsx";
import { Ago, Elapsed, Took } from "#ui/time.tsx";
import { useAction } from "#ui/use-action.ts";
import { namespacePath } from "#watch/collections.ts";
import { useList } from "#watch/hooks.tsx";
import classes from "./deployment.module.css";
import { AdvicePanel, Excerpt, WarningsPanel } from "./remarks.tsx";
import { rolloutSteps } from "./rollout.ts";
import { SelectedLog } from "./selected-log.tsx";
import { type Selection, StepTree } from "./step-tree.tsx";
import { buildOver, deploymentOver, sourceLabel } from "./timeline.ts";
import { WaterfallPanel } from "./waterfall-panel.tsx";
import { WrittenRecipePanel } from "./written-recipe.tsx";

export interface RolloutViewProps {
  readonly at: AppRef;
  readonly build: Resource<"Build"> | undefined;
  readonly release: Resource<"Release"> | undefined;
  readonly deployment: Resource<"Deployment"> | undefined;
}

/** One way to production, from the push to the last drained instance: live while it happens, its record afterwards. */
export function RolloutView(props: RolloutViewProps) {
  const { at, build, deployment } = props;
  const t = useTranslations("deployment");
  const plim = usePlim(at);
  const scope = namespacePath(at.team, at.namespace);
  const { progress, stream } = useBuildLog(build ? `${scope}/builds/${build.metadata.name}` : undefined);
  const instances = useList(scope, "instances", at.app);
  const apps = useList(scope, "apps");
  const app = apps.items.find((one) => one.metadata.name === at.app);
  const steps = useMemo(() => (deployment ? rolloutSteps(deployment, instances.items) : []), [deployment, instances.items]);
  const own = useMemo(
    () => instances.items.filter((one) => deployment && one.spec.release === deployment.spec.release),
    [instances.items, deployment],
  );

  const [picked, setPicked] = useSelectionInAddress();
  const selected = picked ?? interesting({ progress, build, deployment, steps });
  const title = deployment ? t("titleRelease", { release: deployment.spec.release }) : t("titleBuild", { number: build?.spec.number ?? 0 });
  return (
    <Page
      wide
      crumbsLabel={t("crumbs")}
      crumbs={[
        { href: to.namespace(at.team, at.namespace), label: `${at.team} / ${at.namespace}` },
        { href: to.app(at.team, at.namespace, at.app), label: at.app },
        { href: to.deployments(at.team, at.namespace, at.app), label: t("deployments") },
      ]}
      title={
        <>
          {title}
          {build && build.status.phase !== "succeeded" ? (
            <StateMark of="build" state={build.status.phase} />
          ) : deployment ? (
            <StateMark of="deployment" state={deployment.status.phase} />
          ) : (
            build && <StateMark of="build" state={build.status.phase} />
          )}
        </>
      }
      facts={<Facts {...props} />}
      actions={
        <>
          <PackagesLink {...props} />
          <Actions {...props} app={app} />
        </>
      }
    >
      <Outcome {...props} />
      <div className={classes.split}>
        <div className={classes.left}>
          <StepTree {...{ build, progress, deployment, steps, selected }} onSelect={setPicked} />
        </div>
        <div className={classes.right}>
          <SelectedLog key={selected} {...{ at, selected, build, deployment, progress, stream, steps }} />
        </div>
      </div>
      {progress.warnings.length > 0 && <WarningsPanel warnings={progress.warnings} />}
      {progress.advice.length > 0 && <AdvicePanel advice={progress.advice} />}
      {build && buildOver(build.status.phase) && progress.waterfall.rows.length > 0 && (
        <WaterfallPanel waterfall={progress.waterfall} line={plim.waterfall(at.app, build.spec.number)} />
      )}
      {progress.written && <WrittenRecipePanel written={progress.written} />}
      {deployment?.status.command && (
        <Panel
          title={t("command.title")}
          aside={<span>{t(`command.${deployment.status.command.state}`, { attempt: deployment.status.command.attempt })}</span>}
        >
          {deployment.status.command.output.length > 0 ? (
            <pre className={classes.output}>{deployment.status.command.output.join("\n")}</pre>
          ) : (
            <p className={classes.message}>{t("command.silent")}</p>
          )}
        </Panel>
      )}
      {deployment && (
        <Panel title={t("instances")} flush aside={<PlimLine line={plim.logs(at.app)} />}>
          <InstanceTable at={at} instances={own} loaded={instances.loaded} live={deployment.spec.release} />
        </Panel>
      )}
    </Page>
  );
}

/** What one wants to see first: what runs, else what failed, else all of the build. */
function interesting(state: {
  readonly progress: ReturnType<typeof useBuildLog>["progress"];
  readonly build: Resource<"Build"> | undefined;
  readonly deployment: Resource<"Deployment"> | undefined;
  readonly steps: ReturnType<typeof rolloutSteps>;
}): Selection {
  const { progress, build, deployment, steps } = state;
  const inBuild = progress.stages.flatMap((stage) => stage.steps);
  const atWork = inBuild.findLast((step) => step.state === "running") ?? inBuild.find((step) => step.state === "failed");
  if (atWork && !deployment) return `step:${atWork.step.index}`;
  const instances = steps.filter((step) => step.kind === "instance");
  if (deployment && (deployment.status.phase === "failed" || !build || !deploymentOver(deployment.status.phase))) {
    const instance = instances.find((step) => step.state === "failed") ?? instances.find((step) => step.state !== "done") ?? instances[0];
    if (instance) return `instance:${instance.id}`;
    if (deployment.status.failure) return "failure";
  }
  if (build) return "build";
  return instances[0] ? `instance:${instances[0].id}` : "drain";
}

/** The selection, kept in the address behind #, so that it can be sent to somebody. */
function useSelectionInAddress(): [Selection | undefined, (selection: Selection) => void] {
  const [picked, setPicked] = useState<Selection>();
  useEffect(() => {
    const read = () => setPicked(location.hash.length > 1 ? decodeURIComponent(location.hash.slice(1)) : undefined);
    read();
    window.addEventListener("hashchange", read);
    return () => window.removeEventListener("hashchange", read);
  }, []);
  return [
    picked,
    (selection) => {
      setPicked(selection);
      window.history.replaceState(window.history.state, "", `#${encodeURIComponent(selection)}`);
    },
  ];
}

function Facts({ build, release, deployment }: RolloutViewProps) {
  const t = useTranslations("deployment");
  const label = sourceLabel(build?.spec.source ?? release?.spec.source);
  const source = build?.spec.source ?? release?.spec.source;
  const began = build && deployment?.spec.reason !== "rollback" ? build.metadata.createdAt : deployment?.metadata.createdAt;
  const ended = deployment ? (deployment.status.readyAt ?? deployment.status.finishedAt) : build?.status.finishedAt;
  const over = deployment ? deploymentOver(deployment.status.phase) : build && buildOver(build.status.phase);
  return (
    <>
      {label && (
        <Fact label={source?.kind === "image" ? t("image") : t("commit")}>
          <span className={classes.commit}>{label.short}</span> {label.subject}
        </Fact>
      )}
      <Fact label={t("by")}>
        {source?.kind === "git" && deployment?.spec.reason !== "rollback"
          ? source.author
          : (deployment?.spec.createdBy ?? build?.spec.requestedBy)}
      </Fact>
      {release && <Fact label={t("release")}>{t("releaseName", { release: release.spec.number })}</Fact>}
      {build?.spec.deploy === false && <Fact label={t("release")}>{t("imageOnly")}</Fact>}
      {began && (
        <Fact label={ended && (over || deployment?.status.readyAt) ? t("took") : t("soFar")}>
          {ended && (over || deployment?.status.readyAt) ? <Took ms={Date.parse(ended) - Date.parse(began)} /> : <Elapsed since={began} />}
        </Fact>
      )}
      {began && (
        <Fact label={t("started")}>
          <Ago at={began} />
        </Fact>
      )}
      {deployment?.status.requests && <Fact label={t("requests")}>{t("requestsMeanwhile", deployment.status.requests)}</Fact>}
      {release && release.spec.changed.length > 0 && <Fact label={t("changed")}>{release.spec.changed.join(", ")}</Fact>}
    </>
  );
}

/** Why it ended badly, in full, before anything else on the page. */
function Outcome({ at, build, deployment }: RolloutViewProps) {
  const t = useTranslations("deployment");
  const plim = usePlim(at);
  const failure = build?.status.failure;
  if (failure) {
    return (
      <div className={classes.outcome} role="alert">
        <strong>{failure.message}</strong>
        {failure.file && (
          <code className={classes.where}>
            {failure.line === undefined ? failure.file : t("where", { file: failure.file, line: failure.line })} {failure.instruction}
          </code>
        )}
        {failure.excerpt && <Excerpt lines={failure.excerpt} />}
        <PlimLine line={plim.buildLog(at.app, build.spec.number)} />
      </div>
    );
  }
  const failed = deployment?.status.failure;
  if (failed) {
    return (
      <div className={classes.outcome} role="alert">
        <strong>{t("instanceFailed", { instance: failed.instance, reason: failed.reason })}</strong>
        {failed.hint && <p>{t("hint", { hint: failed.hint })}</p>}
        {deployment.status.previousRelease !== undefined && <p>{t("previousStays", { release: deployment.status.previousRelease })}</p>}
        <PlimLine line={plim.describe(at.app)} />
      </div>
    );
  }
  const message: ReactNode = deployment?.status.message ?? (build && build.status.phase !== "succeeded" ? build.status.message : undefined);
  return message ? <p className={classes.message}>{message}</p> : null;
}

/** To what the image holds: of the release, or of a build that made none. */
function PackagesLink({ at, build, release }: RolloutViewProps) {
  const t = useTranslations("deployment");
  const name = release?.metadata.name ?? (build?.status.image === undefined ? undefined : build.metadata.name);
  if (name === undefined) return null;
  return (
    <Button component={AppLink} href={to.packages(at.team, at.namespace, at.app, release ? "releases" : "builds", name)} variant="default">
      {t("packages")}
    </Button>
  );
}

function Actions({ at, build, deployment, app }: RolloutViewProps & { readonly app: Resource<"App"> | undefined }) {
  const t = useTranslations("deployment");
  const { can } = useSession();
  const [rollingBack, setRollingBack] = useState(false);
  const scope = namespacePath(at.team, at.namespace);
  const cancel = useAction(() => request("POST", `${scope}/builds/${build?.metadata.name}/cancel`));
  const building = build && !buildOver(build.status.phase);
  const live = app?.status.release;
  const canReturn =
    deployment &&
    live !== undefined &&
    live !== deployment.spec.release &&
    deploymentOver(deployment.status.phase) &&
    deployment.status.phase !== "failed";
  return (
    <>
      {cancel.problem && <ProblemNote problem={cancel.problem} />}
      {building && can(at.team, "builds.cancel") && (
        <Button variant="default" loading={cancel.busy || build.spec.cancelled} onClick={() => void cancel.run()}>
          {t("cancel")}
        </Button>
      )}
      {canReturn && app && can(at.team, "deployments.create") && (
        <Button variant="default" onClick={() => setRollingBack(true)}>
          {t("rollbackTo", { release: deployment.spec.release })}
        </Button>
      )}
      {app && deployment?.spec.release === live && app.status.urls[0] && (
        <Button component="a" href={app.status.urls[0]} target="_blank" rel="noreferrer" variant="default">
          {t("open")}
        </Button>
      )}
      {rollingBack && app && deployment && (
        <RollbackDialog at={at} app={app} release={deployment.spec.release} onClose={() => setRollingBack(false)} />
      )}
    </>
  );
}
