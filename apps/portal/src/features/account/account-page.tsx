"use client";

import { Skeleton } from "@mantine/core";
import { useTranslations } from "next-intl";
import { useSession } from "#session/session.tsx";
import { Fact, Page } from "#ui/page.tsx";
import { Panel } from "#ui/panel.tsx";
import { SshKeys } from "./ssh-keys.tsx";
import { Tokens } from "./tokens.tsx";

/** Who one is, and the keys and tokens that speak for one. */
export function AccountPage() {
  const t = useTranslations("account");
  const { me } = useSession();
  return (
    <Page
      title={me?.name ?? <Skeleton height={18} width={160} />}
      facts={
        me ? (
          <>
            <Fact label={t("email")}>{me.email}</Fact>
            {me.operator && <Fact label={t("role")}>{t("operator")}</Fact>}
            {me.teams.map((team) => (
              <Fact key={team.name} label={team.displayName || team.name}>
                {t(`roles.${team.role}`)}
              </Fact>
            ))}
          </>
        ) : (
          <Skeleton height={12} width={260} my={4} />
        )
      }
    >
      <Panel title={t("keys.title")} flush anchor="ssh-keys">
        <SshKeys />
      </Panel>
      <Panel title={t("tokens.title")} flush anchor="tokens">
        <Tokens />
      </Panel>
    </Page>
  );
}
