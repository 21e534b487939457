"use client";

import { Skeleton } from "@mantine/core";
import { useTranslations } from "next-intl";
import { AppFrame } from "#features/app/app-frame.tsx";
import type { AppRef } from "#features/app/app-ref.ts";
import { useSession } from "#session/session.tsx";
import { Panel } from "#ui/panel.tsx";
import { BuildSettings } from "./build-settings.tsx";
import { DeleteApp } from "./delete-app.tsx";
import { EnvTable } from "./env-table.tsx";
import { SecretTable } from "./secret-table.tsx";
import classes from "./settings.module.css";

/** What an app is given besides its code: environment, secrets, how it is built; and its end. */
export function AppSettings(at: AppRef) {
  const t = useTranslations("settings");
  const { can } = useSession();
  return (
    <AppFrame
      at={at}
      tab="settings"
      skeleton={
        <Panel title={t("env.title")}>
          <Skeleton height={100} />
        </Panel>
      }
    >
      {(app) => (
        <>
          <Panel title={t("env.title")} flush anchor="env">
            <p className={classes.intro}>{t("env.text")}</p>
            <EnvTable at={at} app={app} />
          </Panel>
          <Panel title={t("secrets.title")} flush anchor="secrets">
            <p className={classes.intro}>{t("secrets.text")}</p>
            <SecretTable at={at} app={app} />
          </Panel>
          <Panel title={t("build.title")} anchor="build">
            <BuildSettings at={at} app={app} />
          </Panel>
          {can(at.team, "apps.delete") && (
            <Panel title={t("delete.title")} anchor="delete">
              <DeleteApp at={at} />
            </Panel>
          )}
        </>
      )}
    </AppFrame>
  );
}
