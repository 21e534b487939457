import type { Files } from "./app.ts";

/** A web app of one file that answers with its version, ends in good order, and crashes when it is told to. */
export function webApp(version: string): Files {
  return {
    Dockerfile: ["FROM node:22", "WORKDIR /app", "COPY server.mjs version.txt ./", 'CMD ["node", "server.mjs"]', ""].join("\n"),
    "server.mjs": SERVER,
    "version.txt": `${version}\n`,
  };
}

/** The tiny change that a push is made of. */
export function versionFile(version: string): Files {
  return { "version.txt": `${version}\n` };
}

const SERVER = `import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const version = readFileSync(new URL("version.txt", import.meta.url), "utf8").trim();
const server = createServer((request, response) => {
  if (request.url === "/exit") {
    response.end("bye\\n", () => process.exit(3));
  } else if (request.url === "/memory") {
    response.end("growing\\n");
    const held = [];
    setInterval(() => held.push(Buffer.alloc(16 << 20, 1)), 1);
  } else if (request.url.startsWith("/digest-of-")) {
    response.end(createHash("sha256").update(process.env[request.url.slice(11)] ?? "").digest("hex") + "\\n");
  } else {
    response.end(version + "\\n");
  }
});
server.listen(Number(process.env.PORT ?? 8080), () => console.log("listening, version " + version));
process.once("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
`;
