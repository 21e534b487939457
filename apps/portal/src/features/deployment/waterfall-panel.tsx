import type { Waterfall, WaterfallRow } from "@plimsoll/core/waterfall";
import { useTranslations } from "next-intl";
import { Panel } from "#ui/panel.tsx";
import { PlimLine } from "#ui/plim-line.tsx";
import { useDuration } from "#ui/time.tsx";
import classes from "./waterfall.module.css";

/** What ran when, and what the cache saved: a table whose bars lie on the build's time. */
export function WaterfallPanel({ waterfall, line }: { readonly waterfall: Waterfall; readonly line: string }) {
  const t = useTranslations("deployment.waterfall");
  const duration = useDuration();
  const { rows, totalMs, ranMs, savedMs, cached } = waterfall;
  return (
    <Panel title={t("title")} aside={<PlimLine line={line} />} flush>
      <table className={classes.chart} aria-label={t("title")}>
        <thead>
          <tr>
            <th className={classes.stage}>{t("stage")}</th>
            <th>{t("step")}</th>
            <th className={classes.when}>
              <span className={classes.scale}>
                <span>{duration(0)}</span>
                <span>{duration(totalMs)}</span>
              </span>
            </th>
            <th className={classes.took}>{t("took")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={row.step} data-outcome={row.outcome}>
              <td className={classes.stage}>{rows[at - 1]?.stage === row.stage ? "" : row.stage}</td>
              <td className={classes.step} title={row.label}>
                {row.label}
              </td>
              <td className={classes.when}>
                <Bar row={row} totalMs={totalMs} label={t("from", { start: duration(row.startMs), end: duration(row.endMs) })} />
              </td>
              <td className={classes.took}>{took(row, duration, t)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className={classes.sums}>
        {t("summary", { total: duration(totalMs), cached, steps: rows.length })}{" "}
        {ranMs > totalMs && <>{t("sideBySide", { ran: duration(ranMs) })} </>}
        {savedMs > 0 && t("saved", { saved: duration(savedMs) })}
      </p>
    </Panel>
  );
}

function Bar({ row, totalMs, label }: { readonly row: WaterfallRow; readonly totalMs: number; readonly label: string }) {
  const of = (ms: number) => (totalMs > 0 ? (ms / totalMs) * 100 : 0);
  if (row.outcome === "waiting") return null;
  return (
    <div className={classes.track} title={label}>
      <div
        className={classes.bar}
        style={{ left: `min(${of(row.startMs)}%, calc(100% - 3px))`, width: `${of(row.endMs - row.startMs)}%` }}
      />
      <span className={classes.spoken}>{label}</span>
    </div>
  );
}

function took(
  { outcome, startMs, endMs, savedMs }: WaterfallRow,
  duration: (ms: number) => string,
  t: ReturnType<typeof useTranslations<"deployment.waterfall">>,
): string {
  if (outcome === "waiting") return t("notBegun");
  if (outcome === "cached") return savedMs === undefined ? t("cached") : t("savedStep", { duration: duration(savedMs) });
  return outcome === "failed" ? t("failedStep", { duration: duration(endMs - startMs) }) : duration(endMs - startMs);
}
