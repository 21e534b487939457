import type { Metadata } from "next";
import { InstancePage } from "#features/instance/instance-page.tsx";

type Params = {
  readonly params: Promise<{ readonly team: string; readonly namespace: string; readonly app: string; readonly name: string }>;
};

export async function generateMetadata({ params }: Params): Promise<Metadata> {
  const { team, namespace, name } = await params;
  return { title: `${name} · ${team}/${namespace}` };
}

export default async function OneInstancePage({ params }: Params) {
  return <InstancePage {...(await params)} />;
}
