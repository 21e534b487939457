import type { Files, PushResult } from "../support/app.ts";

/** The base of everything that benchmarks build. */
export const BASE = "node:22";
/** The one that a push changes by one line. */
const CHANGED_FILE = "version.txt";

/** A Node HTTP server that answers with its version; COPY and one RUN, that touches a file, run again when the version changes. */
export function fixture(version: string): Files {
  return {
    Dockerfile: [
      `FROM ${BASE}`,
      "WORKDIR /app",
      `COPY server.mjs ${CHANGED_FILE} ./`,
      "RUN touch built",
      'CMD ["node", "server.mjs"]',
      "",
    ].join("\n"),
    "server.mjs": SERVER,
    ...edit(version),
  };
}

/** The one-line change. */
export function edit(version: string): Files {
  return { [CHANGED_FILE]: `${version}\n` };
}

/** Throws what the pusher saw unless the push was taken. */
export function taken({ code, text }: PushResult): void {
  if (code !== 0) throw new Error(`the push was refused:\n${text}`);
}

const SERVER = `import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const version = readFileSync(new URL("${CHANGED_FILE}", import.meta.url), "utf8");
const server = createServer((_, response) => response.end(version));
server.listen(Number(process.env.PORT ?? 8080));
process.once("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
`;
