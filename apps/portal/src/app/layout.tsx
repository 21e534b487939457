import "./mantine.css";
import "./globals.css";
import { ColorSchemeScript, mantineHtmlProps } from "@mantine/core";
import { GeistMono } from "geist/font/mono";
import { GeistSans } from "geist/font/sans";
import type { Metadata, Viewport } from "next";
import { headers } from "next/headers";
import { NextIntlClientProvider } from "next-intl";
import { getLocale, getTranslations } from "next-intl/server";
import type { ReactNode } from "react";
import { Looks } from "#ui/looks.tsx";

export async function generateMetadata(): Promise<Metadata> {
  const t = await getTranslations("product");
  return { title: { default: t("name"), template: `%s · ${t("name")}` }, description: t("description"), robots: { index: false } };
}

export const viewport: Viewport = { colorScheme: "light dark", width: "device-width", initialScale: 1 };

/** The document: language, fonts, colours. Every page is drawn per request, because its scripts carry the request's nonce. */
export default async function RootLayout({ children }: { readonly children: ReactNode }) {
  const nonce = (await headers()).get("x-nonce") ?? "";
  return (
    <html lang={await getLocale()} className={`${GeistSans.variable} ${GeistMono.variable}`} {...mantineHtmlProps}>
      <head>
        <ColorSchemeScript nonce={nonce} defaultColorScheme="auto" suppressHydrationWarning />
      </head>
      <body>
        <NextIntlClientProvider>
          <Looks nonce={nonce}>{children}</Looks>
        </NextIntlClientProvider>
      </body>
    </html>
  );
}
