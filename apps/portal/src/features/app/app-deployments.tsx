"use client";

import { Button, Skeleton } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { type ReactNode, useMemo, useState } from "react";
import { type Entry, sourceLabel, timeline } from "#features/deployment/timeline.ts";
import { between } from "#format/time.ts";
import { useSession } from "#session/session.tsx";
import { usePlim } from "#session/use-plim.ts";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { StateMark } from "#ui/state-mark.tsx";
import table from "#ui/table.module.css";
import { Ago, Elapsed, Took } from "#ui/time.tsx";
import { namespacePath } from "#watch/collections.ts";
import { useList } from "#watch/hooks.tsx";
import classes from "./app.module.css";
import { AppFrame } from "./app-frame.tsx";
import type { AppRef } from "./app-ref.ts";
import { RollbackDialog } from "./rollback-dialog.tsx";

const SHOWN = 50;

/** The history of an app: every deployment, and builds that led to none. */
export function AppDeployments(at: AppRef) {
  const t = useTranslations("app");
  return (
    <AppFrame
      at={at}
      tab="deployments"
      skeleton={
        <Panel title={t("deployments")}>
          <Skeleton height={120} />
        </Panel>
      }
    >
      {(app) => <History at={at} app={app} />}
    </AppFrame>
  );
}

function History({ at, app }: { readonly at: AppRef; readonly app: Resource<"App"> }) {
  const t = useTranslations("deployments");
  const scope = namespacePath(at.team, at.namespace);
  const builds = useList(scope, "builds", at.app);
  const releases = useList(scope, "releases", at.app);
  const deployments = useList(scope, "deployments", at.app);
  const { can } = useSession();
  const plim = usePlim(at);
  const [all, setAll] = useState(false);
  const [backTo, setBackTo] = useState<number>();
  const entries = useMemo(
    () => timeline(builds.items, releases.items, deployments.items),
    [builds.items, releases.items, deployments.items],
  );
  const loaded = builds.loaded && deployments.loaded && releases.loaded;
  const mayRollBack = can(at.team, "deployments.create");
  return (
    <Panel title={t("title")} flush aside={<PlimLine line={plim.describe(at.app)} />}>
      <ProblemNote problem={deployments.problem ?? builds.problem ?? releases.problem} />
      {!loaded && (
        <div className={table.none}>
          <Skeleton height={12} width="80%" mb={18} />
          <Skeleton height={12} width="74%" mb={18} />
          <Skeleton height={12} width="77%" />
        </div>
      )}
      {loaded && entries.length === 0 && <div className={table.none}>{t("none")}</div>}
      {loaded && entries.length > 0 && (
        <table className={table.table} aria-label={t("title")}>
          <thead>
            <tr>
              <th scope="col">{t("release")}</th>
              <th scope="col">{t("state")}</th>
              <th scope="col">{t("source")}</th>
              <th scope="col" className={table.wide}>
                {t("by")}
              </th>
              <th scope="col" className={`${table.number} ${table.wide}`}>
                {t("took")}
              </th>
              <th scope="col" className={`${table.number} ${table.wider}`}>
                {t("failed")}
              </th>
              <th scope="col">{t("age")}</th>
              <th scope="col" className={table.wide} aria-label={t("actions")} />
            </tr>
          </thead>
          <tbody>
            {(all ? entries : entries.slice(0, SHOWN)).map((entry) =>
              entry.kind === "deployment" ? (
                <DeploymentRow key={entry.deployment.metadata.uid} at={at} entry={entry}>
                  {mayRollBack &&
                    entry.deployment.status.phase !== "starting" &&
                    entry.deployment.spec.release !== app.status.release &&
                    entry.deployment.status.phase !== "failed" && (
                      <Button size="compact-xs" variant="default" onClick={() => setBackTo(entry.deployment.spec.release)}>
                        {t("rollback")}
                      </Button>
                    )}
                </DeploymentRow>
              ) : (
                <BuildRow key={entry.build.metadata.uid} at={at} build={entry.build} />
              ),
            )}
          </tbody>
        </table>
      )}
      {!all && entries.length > SHOWN && (
        <div className={table.none}>
          <Button variant="default" onClick={() => setAll(true)}>
            {t("more", { count: entries.length - SHOWN })}
          </Button>
        </div>
      )}
      {backTo !== undefined && <RollbackDialog at={at} app={app} release={backTo} onClose={() => setBackTo(undefined)} />}
    </Panel>
  );
}

function DeploymentRow(props: {
  readonly at: AppRef;
  readonly entry: Extract<Entry, { kind: "deployment" }>;
  readonly children: ReactNode;
}) {
  const t = useTranslations("deployments");
  const { at } = props;
  const { deployment, release, build } = props.entry;
  const { spec, status } = deployment;
  const took = between(
    build && spec.reason === "push" ? build.metadata.createdAt : deployment.metadata.createdAt,
    status.readyAt ?? status.finishedAt,
  );
  return (
    <tr className={table.link}>
      <td className={table.tight}>
        <AppLink className={table.cover} href={to.deployment(at.team, at.namespace, at.app, deployment.metadata.name)}>
          {t("releaseName", { release: spec.release })}
        </AppLink>
      </td>
      <td className={table.tight}>
        <StateMark of="deployment" state={status.phase} />
      </td>
      <td>
        {spec.reason === "rollback" ? (
          <span className={classes.subject}>{t("reason.rollback", { release: spec.release })}</span>
        ) : spec.reason === "config" ? (
          <span className={classes.subject}>{t("reason.config", { changed: release?.spec.changed.join(", ") ?? "" })}</span>
        ) : (
          <Source source={release?.spec.source ?? build?.spec.source} />
        )}
        {status.phase === "failed" && status.failure && <span className={table.under}>{status.failure.reason}</span>}
      </td>
      <td className={`${table.tight} ${table.soft} ${table.wide}`}>{spec.createdBy}</td>
      <td className={`${table.number} ${table.soft} ${table.wide}`}>
        {took !== undefined ? <Took ms={took} /> : status.finishedAt ? "–" : <Elapsed since={deployment.metadata.createdAt} />}
      </td>
      <td className={`${table.number} ${table.soft} ${table.wider}`}>{status.requests ? t("failedOf", status.requests) : "–"}</td>
      <td className={`${table.tight} ${table.soft}`}>
        <Ago at={deployment.metadata.createdAt} />
      </td>
      <td className={`${table.tight} ${table.wide}`}>
        <span className={table.above}>{props.children}</span>
      </td>
    </tr>
  );
}

function BuildRow({ at, build }: { readonly at: AppRef; readonly build: Resource<"Build"> }) {
  const t = useTranslations("deployments");
  const took = between(build.status.startedAt, build.status.finishedAt);
  return (
    <tr className={table.link}>
      <td className={table.tight}>
        <AppLink className={table.cover} href={to.build(at.team, at.namespace, at.app, build.metadata.name)}>
          {t("buildName", { number: build.spec.number })}
        </AppLink>
      </td>
      <td className={table.tight}>
        <StateMark of="build" state={build.status.phase} />
      </td>
      <td>
        <Source source={build.spec.source} />
        {build.spec.deploy === false && <span className={classes.imageOnly}>{t("imageOnly")}</span>}
        {(build.status.failure ?? build.status.message) && (
          <span className={table.under}>{build.status.failure?.message ?? build.status.message}</span>
        )}
      </td>
      <td className={`${table.tight} ${table.soft} ${table.wide}`}>{build.spec.requestedBy}</td>
      <td className={`${table.number} ${table.soft} ${table.wide}`}>
        {took !== undefined ? <Took ms={took} /> : build.status.finishedAt ? "–" : <Elapsed since={build.metadata.createdAt} />}
      </td>
      <td className={`${table.number} ${table.soft} ${table.wider}`}>–</td>
      <td className={`${table.tight} ${table.soft}`}>
        <Ago at={build.metadata.createdAt} />
      </td>
      <td className={table.wide} />
    </tr>
  );
}

function Source({ source }: { readonly source: Resource<"Build">["spec"]["source"] | undefined }) {
  const label = sourceLabel(source);
  if (!label) return <span className={table.soft}>–</span>;
  return (
    <span className={classes.subject}>
      <span className={classes.commit}>{label.short}</span>
      {label.subject}
    </span>
  );
}
