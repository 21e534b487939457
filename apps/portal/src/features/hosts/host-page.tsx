"use client";

import { Skeleton } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useRouter } from "next/navigation";
import { useTranslations } from "next-intl";
import type { HostLoadDetail } from "#api/types.ts";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { Message } from "#ui/message.tsx";
import { Fact, Page } from "#ui/page.tsx";
import { Panel } from "#ui/panel.tsx";
import { Note, ProblemNote } from "#ui/problem-note.tsx";
import { hostState } from "#ui/state-looks.ts";
import { StateMark } from "#ui/state-mark.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import { PLATFORM_PATH } from "#watch/collections.ts";
import { useList } from "#watch/hooks.tsx";
import { HostActions } from "./host-actions.tsx";
import { HostHistory } from "./host-history.tsx";
import classes from "./hosts.module.css";
import { NamespaceLoads } from "./namespace-loads.tsx";
import { Pressure } from "./pressure.tsx";
import { useLoad } from "./use-load.ts";
import { UsedBar } from "./used-bar.tsx";

/** One host: how it is, whose work runs there, what it said of itself and what was done to it. For operators. */
export function HostPage({ name }: { readonly name: string }) {
  const t = useTranslations("hosts");
  const router = useRouter();
  const hosts = useList(PLATFORM_PATH, "hosts");
  const host = hosts.items.find((one) => one.metadata.name === name);
  const load = useLoad<HostLoadDetail>(`/hosts/${encodeURIComponent(name)}/load`, host ? [host] : []);
  if (hosts.loaded && !host)
    return <Message title={t("missing", { name })} text={t("missingText")} link={{ href: to.hosts(), label: t("all") }} />;
  return (
    <Page
      crumbsLabel={t("crumbs")}
      crumbs={[{ href: to.hosts(), label: t("title") }]}
      title={
        host ? (
          <>
            {name}
            <StateMark of="host" state={hostState(host)} />
          </>
        ) : (
          name
        )
      }
      facts={host ? <Facts host={host} load={load.value} /> : <Skeleton height={12} width={320} my={4} />}
      actions={host && <HostActions host={host} load={load.value} onChanged={load.again} onRemoved={() => router.push(to.hosts())} />}
    >
      <ProblemNote problem={hosts.problem ?? load.problem} />
      {host?.status.message && <Note tone="warn">{host.status.message}</Note>}
      {host && !host.spec.schedulable && <p className={classes.text}>{t("closedText")}</p>}
      <Panel title={t("load")}>
        {host ? (
          <div className={classes.meters}>
            <div>
              <h3>{t("cpu")}</h3>
              <UsedBar of="cpuMillis" used={load.value?.cpuMillis} limit={host.spec.capacity.cpuMillis} />
            </div>
            <div>
              <h3>{t("memory")}</h3>
              <UsedBar of="memoryBytes" used={load.value?.memoryBytes} limit={host.spec.capacity.memoryBytes} />
            </div>
            <div>
              <h3>{t("pressure")}</h3>
              <Pressure host={host} load={load.value} />
            </div>
          </div>
        ) : (
          <Skeleton height={30} />
        )}
      </Panel>
      <NamespaceLoads load={load.value} loading={!load.problem} />
      {host && (
        <Panel title={t("said")} flush>
          <table className={table.table} aria-label={t("said")}>
            <tbody>
              {Object.entries(host.status.facts).map(([fact, value]) => (
                <tr key={fact}>
                  <th scope="row" className={classes.factName}>
                    {fact}
                  </th>
                  <td className={classes.factValue}>{value}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {Object.keys(host.status.facts).length === 0 && <div className={table.none}>{t("saidNothing")}</div>}
        </Panel>
      )}
      <HostHistory history={load.value?.history} />
    </Page>
  );
}

function Facts({ host, load }: { readonly host: Resource<"Host">; readonly load: HostLoadDetail | undefined }) {
  const t = useTranslations("hosts");
  return (
    <>
      <Fact label={t("roles")}>{host.spec.roles.join(" ")}</Fact>
      <Fact label={t("address")}>{host.spec.underlay}</Fact>
      <Fact label={t("heard")}>{load === undefined ? "" : load.heardAt ? <Ago at={load.heardAt} /> : t("never")}</Fact>
      <Fact label={t("enrolled")}>
        <Ago at={host.metadata.createdAt} />
      </Fact>
      <Fact label={t("disk")}>
        <AppLink href={to.hostDisks()}>{t("diskLink")}</AppLink>
      </Fact>
    </>
  );
}
