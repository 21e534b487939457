import type { Metadata } from "next";
import { getTranslations } from "next-intl/server";
import { Claim } from "#features/door/claim.tsx";

export async function generateMetadata(): Promise<Metadata> {
  // The code is in the address: it must not travel on to anywhere.
  return { title: (await getTranslations("claim"))("title"), referrer: "no-referrer" };
}

export default async function ClaimPage({ params }: { readonly params: Promise<{ readonly code: string }> }) {
  return <Claim code={(await params).code} />;
}
