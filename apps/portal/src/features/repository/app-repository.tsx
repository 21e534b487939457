"use client";

import { Skeleton } from "@mantine/core";
import { useTranslations } from "next-intl";
import { AppFrame } from "#features/app/app-frame.tsx";
import type { AppRef } from "#features/app/app-ref.ts";
import { usePlim } from "#session/use-plim.ts";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { Branches } from "./branches.tsx";
import { ConnectionPart } from "./connection.tsx";
import { DeployKeys } from "./deploy-keys.tsx";

/** Where an app's code comes from, and what of it is stored here. */
export function AppRepository(at: AppRef) {
  const t = useTranslations("repository");
  const plim = usePlim(at);
  return (
    <AppFrame
      at={at}
      tab="repository"
      skeleton={
        <Panel title={t("branches.title")}>
          <Skeleton height={100} />
        </Panel>
      }
    >
      {(app) => (
        <>
          <Panel title={t("connection.title")} flush anchor="connection" aside={<PlimLine line={plim.connection(at.app)} />}>
            <ConnectionPart at={at} />
          </Panel>
          <Panel title={t("branches.title")} flush anchor="branches" aside={<PlimLine line={plim.branches(at.app)} />}>
            <Branches at={at} release={app.status.release} />
          </Panel>
          <Panel title={t("keys.title")} flush anchor="deploy-keys" aside={<PlimLine line={plim.deployKeys(at.app)} />}>
            <DeployKeys at={at} />
          </Panel>
        </>
      )}
    </AppFrame>
  );
}
