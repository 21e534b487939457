"use client";

import { useTranslations } from "next-intl";
import { useEffect, useMemo } from "react";
import { EventsPanel } from "#features/events/events-panel.tsx";
import { QuotaMeters } from "#features/quota/meters.tsx";
import { usePlim } from "#session/use-plim.ts";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { Message } from "#ui/message.tsx";
import { Page } from "#ui/page.tsx";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote, useProblemText } from "#ui/problem-note.tsx";
import { StateMark } from "#ui/state-mark.tsx";
import { namespacePath, teamPath } from "#watch/collections.ts";
import { useList } from "#watch/hooks.tsx";
import { type AppRow, appRows } from "./app-rows.ts";
import { AppTable, AppTableSkeleton } from "./app-table.tsx";
import classes from "./dashboard.module.css";
import { FirstApp } from "./first-app.tsx";
import { lastPlace } from "./last-place.ts";

/** All of a namespace at a glance: how full it is, its apps, what happened last. */
export function Dashboard({ team, namespace }: { readonly team: string; readonly namespace: string }) {
  const t = useTranslations("dashboard");
  const text = useProblemText();
  const plim = usePlim({ team, namespace });
  const scope = namespacePath(team, namespace);
  const namespaces = useList(teamPath(team), "namespaces");
  const apps = useList(scope, "apps");
  const deployments = useList(scope, "deployments");
  const builds = useList(scope, "builds");
  const events = useList(scope, "events");
  const self = namespaces.items.find((one) => one.metadata.name === namespace);
  const rows = useMemo(() => appRows(apps.items, deployments.items, builds.items), [apps.items, deployments.items, builds.items]);
  useEffect(() => {
    if (apps.loaded) lastPlace.write(to.namespace(team, namespace));
  }, [apps.loaded, team, namespace]);

  if (apps.problem && !apps.loaded && apps.problem.status === 404) {
    return <Message title={t("missing", { team, namespace })} text={text(apps.problem)} link={{ href: to.home(), label: t("home") }} />;
  }
  const empty = apps.loaded && rows.length === 0;
  return (
    <Page title={self?.spec.displayName || namespace}>
      {!apps.loaded && <ProblemNote problem={apps.problem} />}
      <section className={classes.quota} aria-label={t("quota")}>
        <QuotaMeters quota={self?.spec.quota} used={self?.status.used} />
        <AppLink className={classes.quotaLink} href={to.quota(team, namespace)}>
          {t("quotaLink")}
        </AppLink>
      </section>
      {empty ? (
        <FirstApp team={team} namespace={namespace} />
      ) : (
        <Panel title={t("apps")} flush aside={<Summary rows={rows} line={plim.apps()} />}>
          {apps.loaded ? <AppTable rows={rows} team={team} namespace={namespace} /> : <AppTableSkeleton />}
        </Panel>
      )}
      <EventsPanel
        title={t("events")}
        events={events.items}
        loaded={events.loaded}
        team={team}
        namespace={namespace}
        apps={rows.map((row) => row.name)}
      />
    </Page>
  );
}

/** From so many apps on one does not count by eye. */
const MANY = 9;
const NOTABLE = ["failing", "degraded", "deploying"] as const;

function Summary({ rows, line }: { readonly rows: readonly AppRow[]; readonly line: string }) {
  const t = useTranslations("dashboard");
  return (
    <div className={classes.summary}>
      {rows.length >= MANY &&
        NOTABLE.map((phase) => {
          const count = rows.filter((row) => row.phase === phase).length;
          return count === 0 ? null : <StateMark key={phase} of="app" state={phase} count={count} />;
        })}
      {rows.length >= MANY && <span>{t("count", { count: rows.length })}</span>}
      <PlimLine line={line} />
    </div>
  );
}
