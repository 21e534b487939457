"use client";

import { Skeleton } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useSearchParams } from "next/navigation";
import { useTranslations } from "next-intl";
import { useMemo } from "react";
import { useFetched } from "#api/use-fetched.ts";
import { useSession } from "#session/session.tsx";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { Message } from "#ui/message.tsx";
import { Page } from "#ui/page.tsx";
import { Panel } from "#ui/panel.tsx";
import { ProblemNote, useProblemText } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { teamPath } from "#watch/collections.ts";
import { useList } from "#watch/hooks.tsx";
import { BuildLimitsPanel } from "./build-limits.tsx";
import { QuotaMeters } from "./meters.tsx";
import classes from "./quota.module.css";
import { QuotaEditor } from "./quota-editor.tsx";
import { TeamBars } from "./team-bars.tsx";

/** A team's quota: what its namespaces were given, what is free, and for those who may, how it is divided. */
export function QuotaPage({ team }: { readonly team: string }) {
  const t = useTranslations("quota");
  const text = useProblemText();
  const { can } = useSession();
  const namespaces = useList(teamPath(team), "namespaces");
  const { value: object, problem } = useFetched<Resource<"Team">>(teamPath(team));
  const sorted = useMemo(() => [...namespaces.items].sort((a, b) => a.metadata.name.localeCompare(b.metadata.name)), [namespaces.items]);
  const asked = useSearchParams();
  const chosen = sorted.find((one) => one.metadata.name === asked.get("namespace")) ?? (sorted.length === 1 ? sorted[0] : undefined);
  if (problem?.status === 404)
    return <Message title={t("missing", { team })} text={text(problem)} link={{ href: to.home(), label: t("home") }} />;
  return (
    <Page title={t("title", { team: object?.spec.displayName || team })}>
      <ProblemNote problem={problem ?? (namespaces.loaded ? undefined : namespaces.problem)} />
      <Panel title={t("division")}>
        {object && namespaces.loaded ? (
          <TeamBars team={object} namespaces={sorted} chosen={chosen?.metadata.name} />
        ) : (
          <Skeleton height={120} />
        )}
      </Panel>
      <Panel title={t("namespaces")} flush>
        {sorted.length > 0 && (
          <table className={table.table} aria-label={t("namespaces")}>
            <tbody>
              {sorted.map((one) => (
                <tr key={one.metadata.uid} className={table.link} data-chosen={one === chosen || undefined}>
                  <td className={classes.name}>
                    <AppLink
                      className={table.cover}
                      href={to.quota(team, one.metadata.name)}
                      scroll={false}
                      aria-current={one === chosen || undefined}
                    >
                      {one.metadata.name}
                    </AppLink>
                  </td>
                  <td>
                    <QuotaMeters quota={one.spec.quota} used={one.status.used} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {!namespaces.loaded && <Skeleton height={40} m={16} />}
        {namespaces.loaded && sorted.length === 0 && <div className={table.none}>{t("noNamespaces")}</div>}
      </Panel>
      {chosen && object && can(team, "quota.edit") && (
        <QuotaEditor key={chosen.metadata.uid} team={object} namespaces={sorted} namespace={chosen} asked={Object.fromEntries(asked)} />
      )}
      {chosen && (
        <BuildLimitsPanel key={`limits ${chosen.metadata.uid}`} team={team} namespace={chosen} mayChange={can(team, "quota.edit")} />
      )}
      {chosen && !can(team, "quota.edit") && <p className={classes.hint}>{t("ownersOnly")}</p>}
    </Page>
  );
}
