"use client";

import type { Status } from "@plimsoll/core";
import { useTranslations } from "next-intl";
import { Ago } from "#ui/time.tsx";

/** How an instance ended last. */
export function ExitText({ exit }: { readonly exit: NonNullable<Status<"Instance">["lastExit"]> }) {
  const t = useTranslations("exit");
  return (
    <>
      {exit.outOfMemory ? t("outOfMemory") : exit.signal ? t("signal", { signal: exit.signal }) : t("code", { code: exit.code })}
      {exit.startsRefused === undefined ? "" : `, ${t("startsRefused")}`}
      {" · "}
      <Ago at={exit.at} />
    </>
  );
}
