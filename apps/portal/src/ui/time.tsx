"use client";

import { useTranslations } from "next-intl";
import { ageOf, durationOf } from "#format/time.ts";
import { useNow } from "./use-now.ts";

const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** How long ago, with the exact time on hover. Moves on by itself. */
export function Ago({ at }: { readonly at: string }) {
  const t = useTranslations("format");
  const now = useNow(10_000);
  if (now === undefined) return null;
  const { unit, count } = ageOf(now - Date.parse(at));
  return (
    <time dateTime={at} title={FULL.format(new Date(at))} suppressHydrationWarning>
      {t(`age.${unit}`, { count })}
    </time>
  );
}

/** A duration that is over. */
export function Took({ ms }: { readonly ms: number }) {
  return <span>{useDuration()(ms)}</span>;
}

/** A duration that still grows, by the second. */
export function Elapsed({ since }: { readonly since: string }) {
  const now = useNow(1_000);
  const duration = useDuration();
  return <span>{now === undefined ? "" : duration(now - Date.parse(since), true)}</span>;
}

/** The text of a duration in milliseconds; `whole`: without tenths, for one that is still counting. */
export function useDuration(): (ms: number, whole?: boolean) => string {
  const t = useTranslations("format");
  return (ms, whole = false) => {
    const duration = durationOf(ms, whole);
    switch (duration.form) {
      case "tenths":
        return t("duration.tenths", { seconds: duration.seconds });
      case "seconds":
        return t("duration.seconds", { seconds: duration.seconds });
      case "minutes":
        return t("duration.minutes", { minutes: duration.minutes, seconds: duration.seconds });
      case "hours":
        return t("duration.hours", { hours: duration.hours, minutes: duration.minutes });
    }
  };
}
