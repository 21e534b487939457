import type { Metadata } from "next";
import { getTranslations } from "next-intl/server";
import { HostsPage } from "#features/hosts/hosts-page.tsx";
import { OperatorsOnly } from "#features/hosts/operators-only.tsx";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations("hosts"))("title") };
}

export default function Hosts() {
  return (
    <OperatorsOnly>
      <HostsPage />
    </OperatorsOnly>
  );
}
