"use client";

import { Skeleton } from "@mantine/core";
import { useTranslations } from "next-intl";
import { to } from "#shell/links.ts";
import { AppLink } from "#ui/app-link.tsx";
import { StateMark } from "#ui/state-mark.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import type { AppRow } from "./app-rows.ts";
import classes from "./dashboard.module.css";

/** The apps of a namespace, one row each; a row leads to its app, its address to the app itself. */
export function AppTable({
  rows,
  team,
  namespace,
}: {
  readonly rows: readonly AppRow[];
  readonly team: string;
  readonly namespace: string;
}) {
  const t = useTranslations("dashboard");
  return (
    <table className={table.table} aria-label={t("apps")}>
      <Head />
      <tbody>
        {rows.map((row) => (
          <tr key={row.name} className={`${classes.row} ${table.link}`}>
            <td className={classes.stateCell}>
              <StateMark of="app" state={row.phase} />
            </td>
            <td className={classes.name}>
              <AppLink className={table.cover} href={to.app(team, namespace, row.name)}>
                {row.name}
              </AppLink>
            </td>
            <td className={classes.address}>
              {row.url && <Address url={row.url} />}
              <Message row={row} />
            </td>
            <td className={`${classes.releaseCell} ${table.tight}`}>
              <ReleaseCell row={row} />
            </td>
            <td className={`${table.tight} ${table.soft} ${table.wide}`}>{row.liveSince ? <Ago at={row.liveSince} /> : "–"}</td>
            <td className={`${classes.readyCell} ${table.number}`}>
              {row.processes.length === 0 && <span className={table.soft}>–</span>}
              {row.processes.map((process) => (
                <span key={process.name} className={classes.process} data-short={process.ready < process.desired || undefined}>
                  {t.rich("ready", {
                    ready: process.ready,
                    desired: process.desired,
                    process: process.name,
                    count: (chunks) => <span className={process.ready < process.desired ? classes.short : undefined}>{chunks}</span>,
                    name: (chunks) => <span className={table.soft}>{chunks}</span>,
                  })}
                </span>
              ))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Why it is not live, where it says so. */
function Message({ row }: { readonly row: AppRow }) {
  return row.message && row.phase !== "live" ? <div className={classes.message}>{row.message}</div> : null;
}

function Address({ url }: { readonly url: string }) {
  return (
    <a className={`${classes.url} ${table.above}`} href={url} target="_blank" rel="noreferrer">
      {url.replace(/^https?:\/\//, "").replace(/\/$/, "")}
    </a>
  );
}

function ReleaseCell({ row }: { readonly row: AppRow }) {
  const t = useTranslations("dashboard");
  return (
    <>
      {row.release === undefined ? <span className={table.soft}>–</span> : t("release", { release: row.release })}
      {row.underWay && (
        <div className={classes.underWay}>
          {row.underWay.kind === "deployment" ? t("deploying", { release: row.underWay.release }) : t("building")}
        </div>
      )}
    </>
  );
}

function Head() {
  const t = useTranslations("dashboard");
  return (
    <thead className={classes.head}>
      <tr>
        <th scope="col" className={classes.stateCell}>
          {t("column.state")}
        </th>
        <th scope="col" className={classes.name}>
          {t("column.app")}
        </th>
        <th scope="col" className={classes.address}>
          {t("column.url")}
        </th>
        <th scope="col">{t("column.release")}</th>
        <th scope="col" className={table.wide}>
          {t("column.age")}
        </th>
        <th scope="col" className={table.number}>
          {t("column.ready")}
        </th>
      </tr>
    </thead>
  );
}

/** Rows of the same height, before the first answer. */
export function AppTableSkeleton() {
  return (
    <table className={table.table} aria-hidden="true">
      <Head />
      <tbody>
        {["a", "b", "c", "d"].map((key) => (
          <tr key={key} className={classes.row}>
            <td className={classes.stateCell}>
              <Skeleton height={10} width={64} />
            </td>
            <td className={classes.name}>
              <Skeleton height={10} width={110} my={4} />
            </td>
            <td className={classes.address}>
              <Skeleton height={10} width={190} />
            </td>
            <td className={table.tight}>
              <Skeleton height={10} width={32} />
            </td>
            <td className={`${table.tight} ${table.wide}`}>
              <Skeleton height={10} width={44} />
            </td>
            <td>
              <Skeleton height={10} width={72} ml="auto" />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
