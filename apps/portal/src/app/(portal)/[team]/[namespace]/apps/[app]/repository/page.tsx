import type { Metadata } from "next";
import { AppRepository } from "#features/repository/app-repository.tsx";

type Params = { readonly params: Promise<{ readonly team: string; readonly namespace: string; readonly app: string }> };

export async function generateMetadata({ params }: Params): Promise<Metadata> {
  const { team, namespace, app } = await params;
  return { title: `${app} · ${team}/${namespace}` };
}

export default async function AppRepositoryPage({ params }: Params) {
  return <AppRepository {...(await params)} />;
}
