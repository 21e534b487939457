import { api, inDemo, untilServing } from "../support/api.ts";
import { createApp, demoScope, untilSettled } from "../support/app.ts";
import { query } from "../support/database.ts";
import { webApp } from "../support/files.ts";
import type { Platform } from "../support/platform.ts";
import type { ChaosApp } from "./cell.ts";

/** Two: one may be killed while the other serves. */
const REPLICAS = 2;

/** An app that the experiments are made on, live and at rest. */
export async function createChaosApp(platform: Platform, name: string): Promise<ChaosApp> {
  await untilServing(platform);
  const app = await createApp(platform, name);
  const { code, text } = await app.push(webApp("before"));
  if (code !== 0) throw new Error(`the app of the experiments was not taken:\n${text}`);
  await api(platform, "POST", inDemo(`/apps/${name}/scale`), { process: "web", replicas: REPLICAS });
  await untilSettled(platform, name);
  const [row] = await query<{ uid: string }>(platform, "SELECT uid FROM objects WHERE kind = 'App' AND name = $1", [name]);
  if (row === undefined) throw new Error("the app is not there");
  return { app, uid: row.uid, scope: await demoScope(platform) };
}
