"use client";

import { Skeleton } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { StateMark } from "#ui/state-mark.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import type { AppRef } from "./app-ref.ts";
import { ExitText } from "./exit-text.tsx";
import { inOrder, instanceLabel } from "./instance-order.ts";

/** Instances, one row each; a row leads to the instance and its log. */
export function InstanceTable(props: {
  readonly at: AppRef;
  readonly instances: readonly Resource<"Instance">[];
  readonly loaded: boolean;
  /** The release that serves: instances of another one are pointed out. */
  readonly live: number | undefined;
}) {
  const t = useTranslations("instances");
  const { at } = props;
  const shown = inOrder(props.instances.filter((instance) => instance.status.phase !== "stopped"));
  if (!props.loaded) {
    return (
      <div className={table.none}>
        <Skeleton height={12} width="70%" mb={16} />
        <Skeleton height={12} width="64%" />
      </div>
    );
  }
  if (shown.length === 0) return <div className={table.none}>{t("none")}</div>;
  return (
    <table className={table.table} aria-label={t("label")}>
      <thead>
        <tr>
          <th scope="col">{t("name")}</th>
          <th scope="col">{t("state")}</th>
          <th scope="col">{t("release")}</th>
          <th scope="col" className={table.wide}>
            {t("host")}
          </th>
          <th scope="col">{t("started")}</th>
          <th scope="col" className={`${table.number} ${table.wide}`}>
            {t("restarts")}
          </th>
          <th scope="col" className={table.wider}>
            {t("lastExit")}
          </th>
        </tr>
      </thead>
      <tbody>
        {shown.map((instance) => (
          <tr key={instance.metadata.uid} className={table.link}>
            <td className={table.tight}>
              <AppLink className={table.cover} href={to.instance(at.team, at.namespace, at.app, instance.metadata.name)}>
                {instanceLabel(instance)}
              </AppLink>
            </td>
            <td>
              <StateMark of="instance" state={instance.status.phase} />
              {instance.status.message && instance.status.phase !== "ready" && (
                <span className={table.under}>{instance.status.message}</span>
              )}
            </td>
            <td className={`${table.tight} ${instance.spec.release === props.live ? "" : table.soft}`}>
              {t("releaseName", { release: instance.spec.release })}
            </td>
            <td className={`${table.tight} ${table.wide}`}>
              {instance.spec.host}
              {instance.status.address && <span className={`${table.soft} ${table.mono} ${table.wider}`}> {instance.status.address}</span>}
            </td>
            <td className={`${table.tight} ${table.soft}`}>{instance.status.startedAt ? <Ago at={instance.status.startedAt} /> : "–"}</td>
            <td className={`${table.number} ${table.wide}`}>{instance.status.restarts}</td>
            <td className={`${table.soft} ${table.wider}`}>
              {instance.status.lastExit ? <ExitText exit={instance.status.lastExit} /> : "–"}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
