import type { Metadata } from "next";
import { PackagesPage } from "#features/packages/packages-page.tsx";

type Params = {
  readonly params: Promise<{ readonly team: string; readonly namespace: string; readonly app: string; readonly name: string }>;
};

export async function generateMetadata({ params }: Params): Promise<Metadata> {
  const { team, namespace, name } = await params;
  return { title: `${name} · ${team}/${namespace}` };
}

export default async function ReleasePackagesPage({ params }: Params) {
  return <PackagesPage of="releases" {...(await params)} />;
}
