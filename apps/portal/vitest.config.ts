import { defineConfig } from "vitest/config";

/** The portal in a real browser, against a scripted API. Needs `next build` and Chromium. */
export default defineConfig({
  test: {
    name: "portal e2e",
    root: import.meta.dirname,
    include: ["test/**/*.e2e.test.ts"],
    fileParallelism: false,
    testTimeout: 40_000,
    hookTimeout: 60_000,
  },
});
