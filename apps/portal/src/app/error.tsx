"use client";

import { useTranslations } from "next-intl";
import { Message } from "#ui/message.tsx";

/** A page that failed to draw: our fault. */
export default function PageError({ error }: { readonly error: Error & { readonly digest?: string } }) {
  const t = useTranslations("broken");
  return <Message title={t("title")} text={t("text", { message: error.message })} link={{ href: "/", label: t("home") }} />;
}
