"use client";

import { Skeleton } from "@mantine/core";
import type { QuotaDimension, QuotaVector } from "@plimsoll/core";
import { sizeOf } from "@plimsoll/core/size";
import { useTranslations } from "next-intl";
import { bytesIn, byteUnit, DIMENSIONS, share } from "#format/quantity.ts";
import classes from "./meters.module.css";

/** A bar per dimension of a quota: used, of how much. */
export function QuotaMeters({ quota, used }: { readonly quota: QuotaVector | undefined; readonly used: QuotaVector | undefined }) {
  const t = useTranslations("quota");
  const amounts = useAmounts();
  return (
    <div className={classes.meters}>
      {DIMENSIONS.map((dimension) => {
        const ready = quota !== undefined && used !== undefined;
        const part = ready ? share(used[dimension], quota[dimension]) : 0;
        const level = part >= 1 ? "full" : part >= 0.85 ? "high" : "normal";
        const text = ready ? amounts(dimension, used[dimension], quota[dimension]) : "";
        return (
          <div key={dimension} className={classes.meter}>
            <div className={classes.text}>
              <span className={classes.name}>{t(`dimension.${dimension}`)}</span>
              <span className={classes.amount} data-level={level}>
                {ready ? text : <Skeleton height={10} width={70} />}
                {ready && level === "full" && <span className={classes.word}>{t("full")}</span>}
              </span>
            </div>
            {/* biome-ignore lint/a11y/useSemanticElements: a <meter> cannot be styled alike in all browsers */}
            <div
              className={classes.track}
              role="meter"
              aria-label={t(`dimension.${dimension}`)}
              aria-valuenow={Math.round(part * 100)}
              aria-valuemin={0}
              aria-valuemax={100}
              aria-valuetext={text}
            >
              <div className={classes.fill} data-level={level} style={{ width: `${Math.min(1, part) * 100}%` }} />
            </div>
          </div>
        );
      })}
    </div>
  );
}

/** "1.5 of 2 GiB": an amount and its limit. */
export function useAmounts(): (dimension: QuotaDimension, used: number, limit: number) => string {
  const t = useTranslations("quota");
  return (dimension, used, limit) => {
    if (dimension === "memoryBytes") {
      const unit = byteUnit(limit);
      const usedUnit = used === 0 ? unit : byteUnit(used);
      const amounts = { used: bytesIn(usedUnit, used), limit: bytesIn(unit, limit), unit };
      // "256 MiB of 1 GiB", not "0.3 of 1 GiB".
      return usedUnit === unit ? t("of.memoryBytes", amounts) : t("of.memoryUnits", { ...amounts, usedUnit });
    }
    if (dimension === "cpuMillis") return t("of.cpuMillis", { used: used / 1000, limit: limit / 1000 });
    return t(`of.${dimension}`, { used, limit });
  };
}

/** A size on a disk or in a registry: "61 MB", "1.2 GB". */
export function useSize(): (bytes: number) => string {
  const t = useTranslations("quota");
  return (bytes) => {
    const { amount, unit } = sizeOf(bytes);
    return t("one.memoryBytes", { amount, unit });
  };
}

/** One amount with its unit: "512 MiB", "0.5 cpu". */
export function useAmount(): (dimension: QuotaDimension, amount: number) => string {
  const t = useTranslations("quota");
  return (dimension, amount) => {
    if (dimension === "memoryBytes") {
      const unit = byteUnit(amount);
      return t("one.memoryBytes", { amount: bytesIn(unit, amount), unit });
    }
    return t(`one.${dimension}`, { amount: dimension === "cpuMillis" ? amount / 1000 : amount });
  };
}
