import { chmodSync, existsSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { resolve } from "node:path";

/**
 * The portal's server: `node server.ts` serves what `next build` made, `node server.ts --dev` compiles on demand. Listens on the
 * unix socket PLIMSOLL_PORTAL_SOCKET, or on 127.0.0.1:PORT (3000). It holds no secret and no state, and asks nobody anything:
 * browsers call the API themselves, at /api of the same host. Prints one line when it listens; ends on SIGTERM and SIGINT.
 */
process.env.NEXT_TELEMETRY_DISABLED = "1";

const development = process.argv.includes("--dev");
const directory = import.meta.dirname;
if (!development) {
  const built = resolve(directory, ".next/required-server-files.json");
  if (!existsSync(built)) fail("The portal is not built: run `npm run build --workspace @plimsoll/portal` first.");
  // The settings as the build resolved them. Without, Next loads its compiler to read next.config.ts: 55 MB for nothing.
  process.env.__NEXT_PRIVATE_STANDALONE_CONFIG = JSON.stringify(JSON.parse(readFileSync(built, "utf8")).config);
  Object.assign(process.env, { NODE_ENV: "production" });
}

const { default: next } = await import("next");
const portal = next({ dev: development, dir: directory });
await portal.prepare();
const handle = portal.getRequestHandler();

const server = createServer((request, response) => {
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("referrer-policy", "same-origin");
  void handle(request, response);
});
if (development) server.on("upgrade", portal.getUpgradeHandler());
server.on("error", (error) => fail(`The portal cannot listen: ${error.message}`));

const socket = process.env.PLIMSOLL_PORTAL_SOCKET;
if (socket) {
  // One supervisor starts one portal: a socket file that is there was left behind by a killed one.
  rmSync(socket, { force: true });
  server.listen(socket, () => {
    // The ingress runs as another user. Whoever may reach the ingress may reach the portal: nothing here is secret.
    chmodSync(socket, 0o666);
    console.log(`portal listens on ${socket}`);
  });
} else {
  const port = Number(process.env.PORT ?? 3000);
  server.listen(port, "127.0.0.1", () => console.log(`portal listens on http://127.0.0.1:${port}`));
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 2_000).unref(); // pages take milliseconds; a stuck client is not waited for
  });
}

function fail(sentence: string): never {
  console.error(sentence);
  process.exit(1);
}
