import type { Metadata } from "next";
import { Dashboard } from "#features/dashboard/dashboard.tsx";

type Params = { readonly params: Promise<{ readonly team: string; readonly namespace: string }> };

export async function generateMetadata({ params }: Params): Promise<Metadata> {
  const { team, namespace } = await params;
  return { title: `${team}/${namespace}` };
}

export default async function NamespacePage({ params }: Params) {
  return <Dashboard {...(await params)} />;
}
