"use client";

import { Skeleton } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { useMemo } from "react";
import { EventsPanel } from "#features/events/events-panel.tsx";
import { placeOf } from "#features/events/place-of.ts";
import { usePlim } from "#session/use-plim.ts";
import { to } from "#shell/links.ts";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { namespacePath } from "#watch/collections.ts";
import { useList } from "#watch/hooks.tsx";
import { AppFrame } from "./app-frame.tsx";
import type { AppRef } from "./app-ref.ts";
import { InstanceTable } from "./instance-table.tsx";
import { LastOutcome } from "./last-outcome.tsx";
import { ProcessTable } from "./process-table.tsx";

/** An app now: what is under way, its processes, its instances, what happened. */
export function AppOverview(at: AppRef) {
  return (
    <AppFrame at={at} tab="overview" skeleton={<Skeletons />}>
      {(app) => <Overview at={at} app={app} />}
    </AppFrame>
  );
}

function Overview({ at, app }: { readonly at: AppRef; readonly app: Resource<"App"> }) {
  const plim = usePlim(at);
  const t = useTranslations("app");
  const scope = namespacePath(at.team, at.namespace);
  const instances = useList(scope, "instances", at.app);
  const events = useList(scope, "events");
  const here = to.app(at.team, at.namespace, at.app);
  const own = useMemo(
    () => events.items.filter((event) => placeOf(event.spec.regarding, at.team, at.namespace, [at.app])?.startsWith(here)),
    [events.items, at.team, at.namespace, at.app, here],
  );
  return (
    <>
      <LastOutcome at={at} app={app} />
      <Panel
        title={t("processes")}
        flush
        anchor="processes"
        aside={app.spec.appFile && <span>{t("describedBy", { file: app.spec.appFile.path })}</span>}
      >
        <ProcessTable at={at} app={app} />
      </Panel>
      <Panel title={t("instances")} flush anchor="instances" aside={<PlimLine line={plim.instances(at.app)} />}>
        <InstanceTable at={at} instances={instances.items} loaded={instances.loaded} live={app.status.release} />
      </Panel>
      <EventsPanel title={t("events")} events={own} loaded={events.loaded} team={at.team} namespace={at.namespace} apps={[at.app]} />
    </>
  );
}

function Skeletons() {
  const t = useTranslations("app");
  return (
    <>
      <Panel title={t("processes")}>
        <Skeleton height={46} />
      </Panel>
      <Panel title={t("instances")}>
        <Skeleton height={76} />
      </Panel>
    </>
  );
}
