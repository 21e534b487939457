"use client";

import { Button, Skeleton } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { type ReactNode, useState } from "react";
import { useSession } from "#session/session.tsx";
import { to } from "#shell/links.ts";
import { Message } from "#ui/message.tsx";
import { Fact, Page, Tabs } from "#ui/page.tsx";
import { ProblemNote, useProblemText } from "#ui/problem-note.tsx";
import { appState } from "#ui/state-looks.ts";
import { StateMark } from "#ui/state-mark.tsx";
import { namespacePath } from "#watch/collections.ts";
import { useList } from "#watch/hooks.tsx";
import classes from "./app.module.css";
import type { AppRef } from "./app-ref.ts";
import { RollbackDialog } from "./rollback-dialog.tsx";

const TABS = ["overview", "deployments", "repository", "settings"] as const;

/** What an app's pages share: name, state, address, tabs, the way back to an earlier release. */
export function AppFrame(props: {
  readonly at: AppRef;
  readonly tab: (typeof TABS)[number];
  readonly children: (app: Resource<"App">) => ReactNode;
  readonly skeleton: ReactNode;
}) {
  const { team, namespace, app } = props.at;
  const t = useTranslations("app");
  const text = useProblemText();
  const { can } = useSession();
  const apps = useList(namespacePath(team, namespace), "apps");
  const [rollingBack, setRollingBack] = useState(false);
  const object = apps.items.find((one) => one.metadata.name === app);

  if (apps.loaded && !object) {
    return (
      <Message
        title={t("missing", { app, namespace: `${team}/${namespace}` })}
        text={t("missingText")}
        link={{ href: to.namespace(team, namespace), label: t("toNamespace", { namespace: `${team}/${namespace}` }) }}
      />
    );
  }
  if (apps.problem?.status === 404) {
    return <Message title={t("missingNamespace")} text={text(apps.problem)} link={{ href: to.home(), label: t("home") }} />;
  }
  const tabs = [
    { href: to.app(team, namespace, app), label: t("tab.overview") },
    { href: to.deployments(team, namespace, app), label: t("tab.deployments") },
    { href: to.repository(team, namespace, app), label: t("tab.repository") },
    { href: to.appSettings(team, namespace, app), label: t("tab.settings") },
  ];
  return (
    <Page
      crumbsLabel={t("crumbs")}
      crumbs={[{ href: to.namespace(team, namespace), label: `${team} / ${namespace}` }]}
      title={
        <>
          {app}
          {object ? <StateMark of="app" state={appState(object)} /> : <Skeleton width={60} height={12} />}
        </>
      }
      actions={
        can(team, "deployments.create") &&
        object?.status.release !== undefined && (
          <Button variant="default" onClick={() => setRollingBack(true)}>
            {t("rollback")}
          </Button>
        )
      }
      facts={<Facts app={object} />}
      tabs={<Tabs label={t("tabs")} tabs={tabs} current={tabs[TABS.indexOf(props.tab)]?.href ?? ""} />}
    >
      {!apps.loaded && <ProblemNote problem={apps.problem} />}
      {object ? props.children(object) : props.skeleton}
      {rollingBack && object && <RollbackDialog at={props.at} app={object} onClose={() => setRollingBack(false)} />}
    </Page>
  );
}

function Facts({ app }: { readonly app: Resource<"App"> | undefined }) {
  const t = useTranslations("app");
  if (!app) return <Skeleton height={12} width={280} my={4} />;
  return (
    <>
      {app.status.urls.map((url) => (
        <a key={url} className={classes.url} href={url} target="_blank" rel="noreferrer">
          {url}
        </a>
      ))}
      {app.status.release !== undefined && <Fact label={t("release")}>{t("releaseName", { release: app.status.release })}</Fact>}
      {app.status.urls.length === 0 && app.status.release === undefined && <Fact label={t("release")}>{t("noRelease")}</Fact>}
      {app.status.message && app.status.phase !== "live" && <Fact label={t("message")}>{app.status.message}</Fact>}
    </>
  );
}
