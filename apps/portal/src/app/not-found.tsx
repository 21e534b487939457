import { getTranslations } from "next-intl/server";
import { Message } from "#ui/message.tsx";

export default async function NotFound() {
  const t = await getTranslations("notFound");
  return <Message title={t("title")} text={t("text")} link={{ href: "/", label: t("home") }} />;
}
