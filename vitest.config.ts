import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

const everywhere = ["packages/**", "apps/**", "scripts/**", "test/**"];
const never = ["**/node_modules/**", "**/.next/**", "**/generated/**", "test/fixtures/**"];
const root = resolve(import.meta.dirname);
const databases = resolve(root, "test/setup/databases.ts");
const platform = resolve(root, "test/setup/platform.ts");

/** Where tests of the kernel run one after the other, a slow one must not take the whole run with it. */
const HOST_TIMEOUT_MS = 60_000;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          root,
          include: everywhere.map((place) => `${place}/*.test.ts`),
          exclude: [...never, "**/*.host.test.ts", "**/*.int.test.ts", "**/*.e2e.test.ts", "test/e2e/**"],
          // Hashes of passwords and fuzzed inputs are nothing but processor time, which others may want too.
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "integration",
          root,
          include: everywhere.map((place) => `${place}/*.int.test.ts`),
          exclude: never,
          globalSetup: databases,
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "host",
          root,
          include: everywhere.map((place) => `${place}/*.host.test.ts`),
          exclude: never,
          globalSetup: databases,
          // The kernel is one: measurements and leftovers of one file would show in another's.
          fileParallelism: false,
          testTimeout: HOST_TIMEOUT_MS,
          hookTimeout: HOST_TIMEOUT_MS,
        },
      },
      {
        // A browser against one part of the platform.
        test: {
          name: "browser",
          root,
          include: everywhere.map((place) => `${place}/*.e2e.test.ts`),
          exclude: [...never, "test/e2e/**"],
          fileParallelism: false,
          testTimeout: HOST_TIMEOUT_MS,
          hookTimeout: 2 * HOST_TIMEOUT_MS,
        },
      },
      {
        // A whole platform, started as its users start it.
        test: {
          name: "e2e",
          root,
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: platform,
          exclude: never,
          fileParallelism: false,
          testTimeout: 5 * HOST_TIMEOUT_MS,
          hookTimeout: 5 * HOST_TIMEOUT_MS,
        },
      },
    ],
  },
});
