import type { Metadata } from "next";
import { getTranslations } from "next-intl/server";
import { NamespaceDiskPage } from "#features/disk/namespace-disk.tsx";

type Params = { readonly params: Promise<{ readonly team: string; readonly namespace: string }> };

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations("disk"))("title") };
}

export default async function Disk({ params }: Params) {
  return <NamespaceDiskPage {...(await params)} />;
}
