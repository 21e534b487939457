import type { Metadata } from "next";
import { getTranslations } from "next-intl/server";
import { Login } from "#features/door/login.tsx";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations("login"))("title") };
}

export default async function LoginPage({ searchParams }: { readonly searchParams: Promise<{ readonly next?: string | string[] }> }) {
  const { next } = await searchParams;
  return <Login next={typeof next === "string" ? next : "/"} />;
}
