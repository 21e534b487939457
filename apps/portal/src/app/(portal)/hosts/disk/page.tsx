import type { Metadata } from "next";
import { getTranslations } from "next-intl/server";
import { HostDisksPage } from "#features/disk/host-disks.tsx";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations("disk"))("hostsTitle") };
}

export default function HostDisks() {
  return <HostDisksPage />;
}
