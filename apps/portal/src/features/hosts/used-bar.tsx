"use client";

import { useTranslations } from "next-intl";
import { ShareBar } from "#features/disk/share-bar.tsx";
import { useAmounts } from "#features/quota/meters.tsx";
import classes from "./hosts.module.css";

/** What instances are promised of a host's capacity, in words and as a bar. */
export function UsedBar(props: { readonly of: "cpuMillis" | "memoryBytes"; readonly used: number | undefined; readonly limit: number }) {
  const t = useTranslations("hosts");
  const amounts = useAmounts();
  const { of, used, limit } = props;
  return (
    <div className={classes.used}>
      <span>{used === undefined ? t("unknown") : amounts(of, used, limit)}</span>
      <ShareBar bytes={used ?? 0} of={limit} />
    </div>
  );
}
