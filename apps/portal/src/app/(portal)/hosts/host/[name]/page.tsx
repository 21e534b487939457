import type { Metadata } from "next";
import { HostPage } from "#features/hosts/host-page.tsx";
import { OperatorsOnly } from "#features/hosts/operators-only.tsx";

type Params = { readonly params: Promise<{ readonly name: string }> };

export async function generateMetadata({ params }: Params): Promise<Metadata> {
  return { title: (await params).name };
}

export default async function Host({ params }: Params) {
  return (
    <OperatorsOnly>
      <HostPage name={(await params).name} />
    </OperatorsOnly>
  );
}
