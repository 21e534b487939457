import { join } from "node:path";
import { z } from "zod";
import { readJson, writeJson } from "./json-file.ts";
import type { Layout } from "./layout.ts";

/** What the operator asked for with the last start. The supervisor reads it on every look. */
const Wanted = z.object({
  /** "stores" while the schema is made ready: the server must not see an older one. */
  processes: z.enum(["none", "stores", "all"]),
  mode: z.enum(["production", "development"]),
  httpPort: z.int().min(1).max(65_535),
  sshPort: z.int().min(1).max(65_535),
  /** Present when the operator brings a database; then none is started. */
  databaseUrl: z.string().optional(),
  redisUrl: z.string().optional(),
  hostName: z.string(),
  /** For the agent's first start. */
  enrollToken: z.string().optional(),
  /** Fingerprints of the source code that the processes are to run. */
  code: z.string(),
  portalCode: z.string(),
});
export type Wanted = z.infer<typeof Wanted>;

export function readWanted(layout: Layout): Wanted | undefined {
  return readJson(wantedPath(layout), Wanted);
}

export function writeWanted(layout: Layout, wanted: Wanted): void {
  writeJson(wantedPath(layout), wanted);
}

function wantedPath(layout: Layout): string {
  return join(layout.runDir, "wanted.json");
}
