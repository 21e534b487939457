import type { Metadata } from "next";
import { BuildPage } from "#features/deployment/build-page.tsx";

type Params = {
  readonly params: Promise<{ readonly team: string; readonly namespace: string; readonly app: string; readonly name: string }>;
};

export async function generateMetadata({ params }: Params): Promise<Metadata> {
  const { team, namespace, name } = await params;
  return { title: `${name} · ${team}/${namespace}` };
}

export default async function OneBuildPage({ params }: Params) {
  return <BuildPage {...(await params)} />;
}
