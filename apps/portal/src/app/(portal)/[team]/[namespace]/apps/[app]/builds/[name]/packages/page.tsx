import type { Metadata } from "next";
import { PackagesPage } from "#features/packages/packages-page.tsx";

type Params = {
  readonly params: Promise<{ readonly team: string; readonly namespace: string; readonly app: string; readonly name: string }>;
};

export async function generateMetadata({ params }: Params): Promise<Metadata> {
  const { team, namespace, name } = await params;
  return { title: `${name} · ${team}/${namespace}` };
}

export default async function BuildPackagesPage({ params }: Params) {
  return <PackagesPage of="builds" {...(await params)} />;
}
