"use client";

import { Skeleton } from "@mantine/core";
import { useTranslations } from "next-intl";
import type { HostLoad } from "#api/types.ts";
import { useAmount } from "#features/quota/meters.tsx";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { Panel } from "#ui/panel.tsx";
import table from "#ui/table.module.css";

/** Whose instances and builds are on a host. */
export function NamespaceLoads({ load, loading }: { readonly load: HostLoad | undefined; readonly loading: boolean }) {
  const t = useTranslations("hosts");
  const amount = useAmount();
  return (
    <Panel title={t("running")} flush>
      {!load && loading && <Skeleton height={40} m={16} />}
      {load?.namespaces.length === 0 && <div className={table.none}>{t("empty")}</div>}
      {load && load.namespaces.length > 0 && (
        <table className={table.table} aria-label={t("running")}>
          <thead>
            <tr>
              <th scope="col">{t("namespace")}</th>
              <th scope="col" className={table.number}>
                {t("instancesHead")}
              </th>
              <th scope="col" className={table.number}>
                {t("buildsHead")}
              </th>
              <th scope="col" className={`${table.number} ${table.wide}`}>
                {t("cpu")}
              </th>
              <th scope="col" className={table.number}>
                {t("memory")}
              </th>
            </tr>
          </thead>
          <tbody>
            {load.namespaces.map((row) => {
              const [team, name] = row.namespace.split("/");
              return (
                <tr key={row.namespace} className={table.link}>
                  <td>
                    {/* Of a namespace that is gone only its uid is left. */}
                    {team && name ? (
                      <AppLink className={table.cover} href={to.namespace(team, name)}>
                        {row.namespace}
                      </AppLink>
                    ) : (
                      row.namespace
                    )}
                  </td>
                  <td className={table.number}>{row.instances}</td>
                  <td className={table.number}>{row.builds}</td>
                  <td className={`${table.number} ${table.wide}`}>{amount("cpuMillis", row.cpuMillis)}</td>
                  <td className={table.number}>{amount("memoryBytes", row.memoryBytes)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
