"use client";

import type { Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import type { HostLoad } from "#api/types.ts";
import table from "#ui/table.module.css";

/** How much of the last ten seconds work of a host waited for processor, memory or disk; where that is not known, why. */
export function Pressure({ host, load }: { readonly host: Resource<"Host">; readonly load: HostLoad | undefined }) {
  const t = useTranslations("hosts");
  const pressure = load?.pressure;
  if (pressure === undefined)
    return <span className={table.soft}>{host.status.facts.pressure === "not measured" ? t("notMeasured") : "–"}</span>;
  return (
    <span title={t("pressureTitle")}>
      {t("pressureOf", {
        cpu: Math.round(pressure.cpuSome),
        memory: Math.round(pressure.memorySome),
        io: Math.round(pressure.ioSome),
      })}
    </span>
  );
}
