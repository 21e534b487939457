import type { Metadata } from "next";
import { DeploymentPage } from "#features/deployment/deployment-page.tsx";

type Params = {
  readonly params: Promise<{ readonly team: string; readonly namespace: string; readonly app: string; readonly name: string }>;
};

export async function generateMetadata({ params }: Params): Promise<Metadata> {
  const { team, namespace, name } = await params;
  return { title: `${name} · ${team}/${namespace}` };
}

export default async function OneDeploymentPage({ params }: Params) {
  return <DeploymentPage {...(await params)} />;
}
