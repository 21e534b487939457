import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { launch, openPage, type Watched } from "./browser.ts";
import { FakeApi } from "./fake-api.ts";
import { type RunningPortal, startPortal } from "./portal-process.ts";

type PageOptions = Parameters<typeof openPage>[2];

const VIEWPORT = { width: 1280, height: 860 };

/** The portal in a browser, as one test has it. */
export interface InPortal {
  /** What the portal asks; nothing is in it but what `seed` puts there. */
  readonly api: FakeApi;
  readonly origin: string;
  open(path: string, options?: PageOptions): Promise<Page>;
  /** An API without anything, in the place of the one before. */
  newApi(): Promise<void>;
  /** For what a test makes pages complain about. */
  forgetComplaints(): void;
}

/** One portal and one browser for a test file; an API and pages anew for each test, which fails when a page has complained about anything. */
export function eachInPortal(seed: (api: FakeApi) => void = () => undefined): InPortal {
  let portal: RunningPortal;
  let browser: Browser;
  let api: FakeApi;
  let origin: string;
  const opened: Watched[] = [];

  const newApi = async () => {
    api = new FakeApi(portal.socket);
    origin = await api.listen();
  };
  beforeAll(async () => {
    [portal, browser] = await Promise.all([startPortal(), launch()]);
  });
  afterAll(async () => {
    await browser?.close();
    await portal?.stop();
  });
  beforeEach(async () => {
    await newApi();
    seed(api);
  });
  afterEach(async () => {
    const complaints = opened.flatMap((one) => one.complaints);
    for (const one of opened.splice(0)) await one.context.close();
    await api.close();
    expect(complaints).toEqual([]);
  });

  return {
    get api() {
      return api;
    },
    get origin() {
      return origin;
    },
    async open(path, options = {}) {
      const watched = await openPage(browser, origin, { viewport: VIEWPORT, ...options });
      opened.push(watched);
      await watched.page.goto(path);
      return watched.page;
    },
    newApi,
    forgetComplaints: () => {
      for (const { complaints } of opened) complaints.splice(0);
    },
  };
}
