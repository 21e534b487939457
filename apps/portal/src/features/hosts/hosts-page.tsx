"use client";

import { Skeleton } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import type { HostLoad, Items } from "#api/types.ts";
import { plim } from "#format/plim.ts";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { Page } from "#ui/page.tsx";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import { hostState } from "#ui/state-looks.ts";
import { StateMark } from "#ui/state-mark.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import { PLATFORM_PATH } from "#watch/collections.ts";
import { useList } from "#watch/hooks.tsx";
import { AddHost } from "./add-host.tsx";
import classes from "./hosts.module.css";
import { Pressure } from "./pressure.tsx";
import { useLoad } from "./use-load.ts";
import { UsedBar } from "./used-bar.tsx";

/** The hosts of the platform: how they are, what is promised of them, and how another machine becomes one. For operators. */
export function HostsPage() {
  const t = useTranslations("hosts");
  const hosts = useList(PLATFORM_PATH, "hosts");
  const loads = useLoad<Items<HostLoad>>("/host-loads", hosts.items);
  const load = new Map(loads.value?.items.map((one) => [one.host, one]));
  const sorted = [...hosts.items].sort((a, b) => a.metadata.name.localeCompare(b.metadata.name));
  return (
    <Page title={t("title")}>
      <ProblemNote problem={hosts.problem ?? loads.problem} />
      <Panel title={t("list")} aside={<PlimLine line={plim.hosts()} />} flush>
        {!hosts.loaded && !hosts.problem && <Skeleton height={60} m={16} />}
        {hosts.loaded && sorted.length === 0 && <div className={table.none}>{t("none")}</div>}
        {sorted.length > 0 && (
          <table className={table.table} aria-label={t("list")}>
            <thead>
              <tr>
                <th scope="col">{t("host")}</th>
                <th scope="col">{t("state")}</th>
                <th scope="col" className={table.wide}>
                  {t("cpu")}
                </th>
                <th scope="col" className={table.wide}>
                  {t("memory")}
                </th>
                <th scope="col">{t("runs")}</th>
                <th scope="col" className={table.wider}>
                  {t("pressure")}
                </th>
                <th scope="col" className={table.wide}>
                  {t("heard")}
                </th>
              </tr>
            </thead>
            <tbody>
              {sorted.map((host) => (
                <HostRow key={host.metadata.uid} host={host} load={load.get(host.metadata.name)} />
              ))}
            </tbody>
          </table>
        )}
      </Panel>
      <Panel title={t("add.title")}>
        <AddHost />
      </Panel>
    </Page>
  );
}

function HostRow({ host, load }: { readonly host: Resource<"Host">; readonly load: HostLoad | undefined }) {
  const t = useTranslations("hosts");
  const { metadata, spec, status } = host;
  const state = hostState(host);
  return (
    <tr className={table.link}>
      <td>
        <AppLink className={table.cover} href={to.host(metadata.name)}>
          {metadata.name}
        </AppLink>
        <span className={table.under}>{spec.roles.join(" ")}</span>
      </td>
      <td>
        <StateMark of="host" state={state} />
        {state === "unreachable" && load?.heardAt && (
          <span className={table.under}>{t.rich("since", { ago: () => <Ago at={load.heardAt ?? ""} /> })}</span>
        )}
        {state === "unreachable" && !spec.schedulable && <span className={table.under}>{t("alsoClosed")}</span>}
        {state !== "unreachable" && status.message && <span className={table.under}>{status.message}</span>}
      </td>
      <td className={table.wide}>
        <UsedBar of="cpuMillis" used={load?.cpuMillis} limit={spec.capacity.cpuMillis} />
      </td>
      <td className={table.wide}>
        <UsedBar of="memoryBytes" used={load?.memoryBytes} limit={spec.capacity.memoryBytes} />
      </td>
      <td className={classes.runs}>
        {load ? (
          <>
            {t("instances", { count: load.instances })}
            {load.builds > 0 && <span className={table.under}>{t("builds", { count: load.builds })}</span>}
          </>
        ) : (
          <span className={table.soft}>–</span>
        )}
      </td>
      <td className={table.wider}>
        <Pressure host={host} load={load} />
      </td>
      <td className={`${table.tight} ${table.soft} ${table.wide}`}>{load?.heardAt ? <Ago at={load.heardAt} /> : "–"}</td>
    </tr>
  );
}
