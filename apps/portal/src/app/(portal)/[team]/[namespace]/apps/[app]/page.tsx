import type { Metadata } from "next";
import { AppOverview } from "#features/app/app-overview.tsx";

type Params = { readonly params: Promise<{ readonly team: string; readonly namespace: string; readonly app: string }> };

export async function generateMetadata({ params }: Params): Promise<Metadata> {
  const { team, namespace, app } = await params;
  return { title: `${app} · ${team}/${namespace}` };
}

export default async function AppPage({ params }: Params) {
  return <AppOverview {...(await params)} />;
}
