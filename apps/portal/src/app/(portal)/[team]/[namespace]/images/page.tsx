import type { Metadata } from "next";
import { getTranslations } from "next-intl/server";
import { ImagesPage } from "#features/images/images-page.tsx";

type Params = { readonly params: Promise<{ readonly team: string; readonly namespace: string }> };

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations("images"))("title") };
}

export default async function Images({ params }: Params) {
  return <ImagesPage {...(await params)} />;
}
