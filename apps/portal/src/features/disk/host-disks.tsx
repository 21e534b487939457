"use client";

import { Skeleton } from "@mantine/core";
import { useTranslations } from "next-intl";
import type { HostDisk, Items } from "#api/types.ts";
import { useFetched } from "#api/use-fetched.ts";
import { useSize } from "#features/quota/meters.tsx";
import { plim } from "#format/plim.ts";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { Page } from "#ui/page.tsx";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { ProblemNote } from "#ui/problem-note.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import classes from "./disk.module.css";
import { ShareBar } from "./share-bar.tsx";

/** For platform operators: whose every byte is, host by host. */
export function HostDisksPage() {
  const t = useTranslations("disk");
  const { value: disks, problem } = useFetched<Items<HostDisk>>("/disks");
  return (
    <Page title={t("hostsTitle")}>
      <ProblemNote problem={problem} />
      {!disks && !problem && <Skeleton height={180} />}
      {disks?.items.length === 0 && <Panel title={t("hostsTitle")}>{t("noHosts")}</Panel>}
      {disks?.items.map((disk) => (
        <HostPanel key={disk.host} disk={disk} />
      ))}
    </Page>
  );
}

function HostPanel({ disk }: { readonly disk: HostDisk }) {
  const t = useTranslations("disk");
  const size = useSize();
  if (disk.measuredAt === undefined) return <Panel title={disk.host}>{t("notCounted")}</Panel>;
  const largest = Math.max(1, ...disk.rows.map(({ bytes }) => bytes));
  return (
    <Panel title={disk.host} aside={<PlimLine line={plim.hostDisk(disk.host)} />} flush>
      <div className={classes.whole}>
        <ShareBar bytes={disk.sizeBytes - disk.freeBytes} of={disk.sizeBytes} />
        <div className={classes.numbers}>
          <span>{t("ofDisk", { free: size(disk.freeBytes), size: size(disk.sizeBytes) })}</span>
          <span>{t("ours", { bytes: size(disk.bytes), cache: size(disk.cacheBytes) })}</span>
          <span>
            {t("countedAt")} <Ago at={disk.measuredAt} />
          </span>
        </div>
      </div>
      <table className={table.table} aria-label={t("partsOf", { host: disk.host })}>
        <thead>
          <tr>
            <th>{t("what")}</th>
            <th>{t("whose")}</th>
            <th className={`${table.number} ${table.wide}`}>{t("count")}</th>
            <th className={classes.share} />
            <th className={table.number}>{t("size")}</th>
          </tr>
        </thead>
        <tbody>
          {disk.rows.map((row) => (
            <tr key={`${row.kind} ${row.owners.map(({ namespace, apps }) => `${namespace} ${apps.join(" ")}`).join(" ")}`}>
              <td title={t(`about.${row.kind}`)}>{t(`kind.${row.kind}`)}</td>
              <td className={classes.apps}>
                {row.owners.length === 0 && <span className={table.soft}>{t(row.kind === "foreign" ? "nobodys" : "platforms")}</span>}
                {row.owners.map(({ namespace, apps }) => (
                  <Owner key={namespace} namespace={namespace} apps={apps} />
                ))}
              </td>
              <td className={`${table.number} ${table.wide}`}>{row.items}</td>
              <td className={classes.share}>
                <ShareBar bytes={row.bytes} of={largest} />
              </td>
              <td className={table.number}>{size(row.bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function Owner({ namespace, apps }: { readonly namespace: string; readonly apps: readonly string[] }) {
  const [team, name] = namespace.split("/");
  return (
    <div>
      {/* Of a namespace that is gone only its uid is left. */}
      {team && name ? <AppLink href={to.disk(team, name)}>{namespace}</AppLink> : namespace}
      {apps.length > 0 && <span className={table.soft}> {apps.join(" ")}</span>}
    </div>
  );
}
