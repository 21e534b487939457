import type { BuildEvent } from "@plimsoll/core";
import { describe, expect, it } from "vitest";
import { eachInPortal } from "./each-in-portal.ts";
import { app, BUILD_END, BUILD_EVENTS, build } from "./fixtures.ts";
import { emptyWorld } from "./worlds.ts";

const portal = eachInPortal((api) => {
  emptyWorld(api);
  api.put(app("shop", { phase: "deploying", release: 13 }));
});
const open = (path: string) => portal.open(path, { viewport: { width: 1280, height: 1400 } });

const REMARKS: readonly BuildEvent[] = [
  {
    type: "warning",
    atMs: 6,
    warning: {
      check: "JSONArgsRecommended",
      message: "CMD runs in a shell, which keeps the stop signal from the program.",
      file: "Dockerfile",
      line: 12,
      excerpt: [
        { line: 11, text: "COPY --from=build /app/dist ./dist" },
        { line: 12, text: "CMD node server.js", marked: true },
      ],
    },
  },
  {
    type: "advice",
    atMs: 2_052,
    advice: [
      {
        about: "user",
        message: "The program runs as root in its container.",
        why: "It may change everything.",
        fix: "USER node above the CMD",
      },
    ],
  },
];

describe("what a build's page says beside its log", () => {
  it("has warnings with their lines, advice with what to type, and a waterfall with what the cache saved", async () => {
    portal.api.put(build("shop", 212, { phase: "succeeded" }));
    const events = BUILD_EVENTS.map((event) => (event.type === "step-done" && event.step === 1 ? { ...event, savedMs: 12_300 } : event));
    const [planned, ...rest] = events;
    if (planned === undefined) throw new Error("there is no plan");
    portal.api.log(
      "shop-b212",
      planned,
      ...REMARKS.slice(0, 1),
      ...rest,
      ...BUILD_END.slice(0, -1),
      ...REMARKS.slice(1),
      ...BUILD_END.slice(-1),
    );
    portal.api.endLog("shop-b212");
    const page = await open("/acme/store/apps/shop/builds/shop-b212");
    await page.getByRole("heading", { name: "1 warning" }).waitFor();
    await page.getByText("JSONArgsRecommended").click();
    await page.locator("mark").getByText("CMD node server.js").waitFor();
    await page.getByRole("heading", { name: "One thing could be better" }).waitFor();
    await page.getByText("USER node above the CMD").waitFor();
    await page.getByRole("button", { name: /RUN npm ci.*cached, saved 12 s/ }).waitFor();
    const chart = page.getByRole("table", { name: "What ran when" });
    await chart.getByRole("row", { name: /RUN npm ci.*saved 12 s/ }).waitFor();
    await chart.getByRole("row", { name: /RUN npm run build.*from 0\.1 s to 2\.0 s.*1\.9 s/ }).waitFor();
    await page.getByText("2 of 5 steps came from the cache. The cache saved 12 s.").waitFor();
    await page.getByRole("button", { name: "Copy the command plim describe build 212 -a shop --waterfall" }).waitFor();
  });

  it("marks the lines of the Dockerfile that a failure is about", async () => {
    const failure = {
      reason: "command",
      message: "RUN npm run build ended with 2.",
      file: "Dockerfile",
      line: 8,
      instruction: "RUN npm run build",
      excerpt: [
        { line: 7, text: "COPY . ." },
        { line: 8, text: "RUN npm run build", marked: true },
      ],
    } as const;
    portal.api.put(build("shop", 213, { phase: "failed", failure }));
    portal.api.log("shop-b213", ...BUILD_EVENTS, { type: "failed", atMs: 2_000, failure });
    portal.api.endLog("shop-b213");
    const page = await open("/acme/store/apps/shop/builds/shop-b213");
    const alert = page.getByRole("alert").filter({ hasText: "ended with 2" });
    expect(await alert.locator("mark").textContent()).toBe("RUN npm run build");
    await alert.getByText("COPY . .").waitFor();
    await page
      .getByRole("table", { name: "What ran when" })
      .getByRole("row", { name: /RUN npm run build.*failed/ })
      .waitFor();
  });
});
