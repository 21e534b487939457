"use client";

import { Skeleton } from "@mantine/core";
import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { useMemo, useState } from "react";
import { AppLink } from "#ui/app-link.tsx";
import { Panel } from "#ui/panel.tsx";
import table from "#ui/table.module.css";
import { Ago } from "#ui/time.tsx";
import classes from "./events.module.css";
import { placeOf } from "./place-of.ts";

const SHOWN = 12;

/** What happened, newest first; each line leads to what it is about. */
export function EventsPanel(props: {
  readonly title: string;
  readonly events: readonly Resource<"Event">[];
  readonly loaded: boolean;
  readonly team: string;
  readonly namespace: string;
  readonly apps: readonly string[];
}) {
  const t = useTranslations("events");
  const [all, setAll] = useState(false);
  const sorted = useMemo(() => [...props.events].sort((a, b) => b.spec.lastAt.localeCompare(a.spec.lastAt)), [props.events]);
  const shown = all ? sorted : sorted.slice(0, SHOWN);
  return (
    <Panel title={props.title} flush>
      {!props.loaded && (
        <div className={classes.skeleton}>
          <Skeleton height={10} width="60%" />
          <Skeleton height={10} width="45%" />
          <Skeleton height={10} width="52%" />
        </div>
      )}
      {props.loaded && sorted.length === 0 && <div className={table.none}>{t("none")}</div>}
      {shown.length > 0 && (
        <table className={table.table} aria-label={props.title}>
          <tbody>
            {shown.map((event) => {
              const place = placeOf(event.spec.regarding, props.team, props.namespace, props.apps);
              return (
                <tr key={event.metadata.uid} className={place ? `${classes.row} ${table.link}` : classes.row}>
                  <td className={`${table.tight} ${table.soft}`}>
                    <Ago at={event.spec.lastAt} />
                  </td>
                  <td className={classes.about}>
                    {place ? (
                      <AppLink className={table.cover} href={place}>
                        {event.spec.regarding.name}
                      </AppLink>
                    ) : (
                      <span>{event.spec.regarding.name}</span>
                    )}
                  </td>
                  <td className={classes.what}>
                    <span className={classes.reason} data-type={event.spec.type}>
                      {event.spec.type === "warning" && <span className={classes.warning}>{t("warning")}</span>}
                      {event.spec.reason}
                    </span>
                    <span className={classes.text}>{event.spec.message}</span>
                    {event.spec.count > 1 && <span className={classes.count}>{t("times", { count: event.spec.count })}</span>}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
      {sorted.length > shown.length && (
        <button type="button" className={classes.more} onClick={() => setAll(true)}>
          {t("more", { count: sorted.length - shown.length })}
        </button>
      )}
    </Panel>
  );
}
