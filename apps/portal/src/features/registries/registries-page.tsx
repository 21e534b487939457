"use client";

import { Skeleton } from "@mantine/core";
import { useTranslations } from "next-intl";
import type { Items, RegistryEntry } from "#api/types.ts";
import { useFetched } from "#api/use-fetched.ts";
import { useSession } from "#session/session.tsx";
import { to } from "#shell/links.ts";
import { Message } from "#ui/message.tsx";
import { Page } from "#ui/page.tsx";
import { Panel } from "#ui/panel.tsx";
import { ProblemNote, useProblemText } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { namespacePath } from "#watch/collections.ts";
import { CredentialForm } from "./credential-form.tsx";
import { MirrorForm } from "./mirror-form.tsx";
import classes from "./registries.module.css";
import { RegistryRow } from "./registry-row.tsx";

/** What a namespace has for the registries that its images come from: a user name with its sealed password, and mirrors. */
export function RegistriesPage({ team, namespace }: { readonly team: string; readonly namespace: string }) {
  const t = useTranslations("registries");
  const text = useProblemText();
  const { can } = useSession();
  const at = { team, namespace };
  const { value: list, problem, again } = useFetched<Items<RegistryEntry>>(`${namespacePath(team, namespace)}/registries`);
  const mayWrite = can(team, "registries.write");
  if (problem?.status === 404)
    return <Message title={t("missing", { namespace })} text={text(problem)} link={{ href: to.home(), label: t("home") }} />;
  return (
    <Page title={t("title")} crumbs={[{ label: `${team} / ${namespace}`, href: to.namespace(team, namespace) }]} crumbsLabel={t("crumbs")}>
      <ProblemNote problem={problem} />
      <Panel title={t("known")} flush>
        <p className={classes.intro}>{t("text")}</p>
        {!list && !problem && <Skeleton height={40} m={16} />}
        {list && list.items.length > 0 && (
          <table className={`${table.table} ${classes.list}`} aria-label={t("known")}>
            <thead>
              <tr>
                <th>{t("registry")}</th>
                <th>{t("user")}</th>
                <th>{t("mirrors")}</th>
                <th className={table.wide}>{t("changed")}</th>
                {mayWrite && <th aria-label={t("actions")} />}
              </tr>
            </thead>
            <tbody>
              {list.items.map((entry) => (
                <RegistryRow key={entry.registry} at={at} entry={entry} mayWrite={mayWrite} onChanged={again} />
              ))}
            </tbody>
          </table>
        )}
        {list?.items.length === 0 && <div className={table.none}>{t("none")}</div>}
      </Panel>
      {mayWrite && (
        <>
          <Panel title={t("login.title")}>
            <CredentialForm at={at} onChanged={again} />
          </Panel>
          <Panel title={t("mirror.title")}>
            <MirrorForm at={at} onChanged={again} />
          </Panel>
        </>
      )}
    </Page>
  );
}
