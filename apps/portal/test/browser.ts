import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launch(program = process.env.PLIMSOLL_CHROMIUM ?? "/usr/bin/chromium"): Promise<Browser> {
  return chromium.launch({ executablePath: program, args: ARGUMENTS });
}

export interface Watched {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the page complained about: errors, refused scripts, requests to elsewhere. A test ends with none. */
  readonly complaints: string[];
}

/** A page that notes what goes wrong in it. */
export async function openPage(browser: Browser, origin: string, options: Parameters<Browser["newContext"]>[0] = {}): Promise<Watched> {
  const context = await browser.newContext({ baseURL: origin, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // Chromium writes a line for each answer of 400 and above; those are judged by what the page makes of them.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith("data:")) complaints.push(`request to elsewhere: ${request.url()}`);
  });
  return { context, page, complaints };
}
