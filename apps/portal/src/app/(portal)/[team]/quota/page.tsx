import type { Metadata } from "next";
import { QuotaPage } from "#features/quota/quota-page.tsx";

type Params = { readonly params: Promise<{ readonly team: string }> };

export async function generateMetadata({ params }: Params): Promise<Metadata> {
  const { team } = await params;
  return { title: team };
}

export default async function TeamQuotaPage({ params }: Params) {
  return <QuotaPage {...(await params)} />;
}
