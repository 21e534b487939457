import { resolve } from "node:path";
import type { NextConfig } from "next";
import createNextIntlPlugin from "next-intl/plugin";

const withMessages = createNextIntlPlugin("./src/i18n/request.ts");

const config: NextConfig = {
  // The workspace: packages/core and packages/contracts lie outside of this folder.
  outputFileTracingRoot: resolve(import.meta.dirname, "../.."),
  turbopack: { root: resolve(import.meta.dirname, "../..") },
  poweredByHeader: false,
  reactStrictMode: true,
  agentRules: false,
  devIndicators: false,
  // Types are checked by `tsc -p apps/portal` in the repository's check; twice would only cost time.
  typescript: { ignoreBuildErrors: true },
  images: { unoptimized: true },
  experimental: {
    // Modules of a page are read when it is first asked for: the server stays small.
    preloadEntriesOnStart: false,
    optimizePackageImports: ["@mantine/core", "@mantine/hooks", "@tabler/icons-react", "@plimsoll/core"],
  },
};

export default withMessages(config);
