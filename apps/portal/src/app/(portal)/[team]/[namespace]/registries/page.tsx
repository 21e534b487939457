import type { Metadata } from "next";
import { getTranslations } from "next-intl/server";
import { RegistriesPage } from "#features/registries/registries-page.tsx";

type Params = { readonly params: Promise<{ readonly team: string; readonly namespace: string }> };

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations("registries"))("title") };
}

export default async function Registries({ params }: Params) {
  return <RegistriesPage {...(await params)} />;
}
