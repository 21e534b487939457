"use client";

import type { QuotaDimension, Resource } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { DIMENSIONS } from "#format/quantity.ts";
import { useAmount, useAmounts } from "./meters.tsx";
import classes from "./quota.module.css";

/** A bar per dimension of a team's quota, split by namespace; what is left at its end is free. */
export function TeamBars(props: {
  readonly team: Resource<"Team">;
  readonly namespaces: readonly Resource<"Namespace">[];
  readonly chosen: string | undefined;
}) {
  const t = useTranslations("quota");
  const amounts = useAmounts();
  const amount = useAmount();
  const limit = props.team.spec.quota;
  return (
    <div className={classes.bars}>
      {DIMENSIONS.map((dimension) => {
        const given = sum(props.namespaces, dimension);
        const whole = Math.max(limit[dimension], given, 1);
        return (
          <div key={dimension}>
            <div className={classes.barText}>
              <span className={classes.barName}>{t(`dimension.${dimension}`)}</span>
              <span>{t("given", { amounts: amounts(dimension, given, limit[dimension]) })}</span>
              <span className={classes.free}>{t("free", { amount: amount(dimension, Math.max(0, limit[dimension] - given)) })}</span>
            </div>
            <div className={classes.bar} role="img" aria-label={t("given", { amounts: amounts(dimension, given, limit[dimension]) })}>
              {props.namespaces.map((one) => {
                const share = one.spec.quota[dimension] / whole;
                if (share === 0) return null;
                return (
                  <div
                    key={one.metadata.uid}
                    className={classes.part}
                    data-chosen={one.metadata.name === props.chosen || undefined}
                    style={{ width: `${share * 100}%` }}
                    title={t("partTitle", { namespace: one.metadata.name, amount: amount(dimension, one.spec.quota[dimension]) })}
                  >
                    <div
                      className={classes.partUsed}
                      style={{ width: `${Math.min(1, one.status.used[dimension] / Math.max(1, one.spec.quota[dimension])) * 100}%` }}
                    />
                    <span className={classes.partName}>{one.metadata.name}</span>
                  </div>
                );
              })}
            </div>
          </div>
        );
      })}
    </div>
  );
}

/** What a team's namespaces were given together. */
export function sum(namespaces: readonly Resource<"Namespace">[], dimension: QuotaDimension): number {
  return namespaces.reduce((total, one) => total + one.spec.quota[dimension], 0);
}
