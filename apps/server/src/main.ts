import { join } from "node:path";
import { createLogger } from "@plimsoll/config";
import { errorText } from "@plimsoll/core";
import type { Database } from "@plimsoll/db";
import { readOverview } from "./overview.ts";
import { ensureRegistryKey } from "./registry-key.ts";
import { openPlatformDatabase, startServer } from "./server.ts";
import { readSettings, type Settings } from "./settings.ts";
import { setUp } from "./setup.ts";

/** Without a command the server runs; `setup` and `overview` answer one line of JSON. */
async function main(command: string | undefined): Promise<void> {
  const settings = readSettings(process.env);
  switch (command) {
    case undefined:
      return serve(settings);
    case "setup": {
      await ensureRegistryKey(join(settings.dataDir, "secrets"));
      const { PLIMSOLL_SAMPLE_KEY: samplePublicKey, PLIMSOLL_HOST_NAME: hostName } = process.env;
      return answer(settings, (db) =>
        setUp(db, settings, { hostName: hostName ?? "this-host", ...(samplePublicKey === undefined ? {} : { samplePublicKey }) }),
      );
    }
    case "overview":
      return answer(settings, readOverview);
    default:
      throw new Error(`\`${command}\` is no command of the server: setup, overview, or none to serve.`);
  }
}

async function serve(settings: Settings): Promise<void> {
  const server = await startServer(settings, createLogger("server"));
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void server.close().finally(() => process.exit(0)));
}

async function answer(settings: Settings, ask: (db: Database) => Promise<unknown>): Promise<void> {
  const { db } = await openPlatformDatabase(settings);
  try {
    console.log(JSON.stringify(await ask(db)));
  } finally {
    await db.close();
  }
}

try {
  await main(process.argv[2]);
} catch (error) {
  console.error(`server: ${errorText(error)}`);
  // At once: what it had begun to serve would keep it alive, half a server that nobody starts again.
  process.exit(1);
}
