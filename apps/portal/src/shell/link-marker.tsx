"use client";

import { useTranslations } from "next-intl";
import { useEffect, useState } from "react";
import { useLink } from "#watch/hooks.tsx";
import classes from "./header.module.css";

/** A blink of the connection is nobody's business: it is told when it lasts. */
const QUIET_MS = 1_500;

/** Says that what is shown may be old, while the watch connection is down. Nothing otherwise. */
export function LinkMarker() {
  const t = useTranslations("link");
  const broken = useLink() === "reconnecting";
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (!broken) return setShown(false);
    const timer = setTimeout(() => setShown(true), QUIET_MS);
    return () => clearTimeout(timer);
  }, [broken]);
  return (
    <span role="status" className={classes.link} data-shown={shown || undefined} title={shown ? t("reconnectingTitle") : undefined}>
      {shown && t("reconnecting")}
    </span>
  );
}
