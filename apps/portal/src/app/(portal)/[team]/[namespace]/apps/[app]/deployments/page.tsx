import type { Metadata } from "next";
import { AppDeployments } from "#features/app/app-deployments.tsx";

type Params = { readonly params: Promise<{ readonly team: string; readonly namespace: string; readonly app: string }> };

export async function generateMetadata({ params }: Params): Promise<Metadata> {
  const { team, namespace, app } = await params;
  return { title: `${app} · ${team}/${namespace}` };
}

export default async function AppDeploymentsPage({ params }: Params) {
  return <AppDeployments {...(await params)} />;
}
