import type { Metadata } from "next";
import { getTranslations } from "next-intl/server";
import { HostDisksPage } from "#features/disk/host-disks.tsx";
import { OperatorsOnly } from "#features/hosts/operators-only.tsx";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations("disk"))("hostsTitle") };
}

export default function HostDisks() {
  return (
    <OperatorsOnly>
      <HostDisksPage />
    </OperatorsOnly>
  );
}
