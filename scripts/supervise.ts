/**
 * The supervisor: one process for each data directory, detached or a unit of systemd. `npm start` or a boot starts it, `npm stop` ends it.
 */
import { join, resolve } from "node:path";
import { restorePlaces } from "./platform/after-boot.ts";
import { layoutOf } from "./platform/layout.ts";
import type { ProcessSpec } from "./platform/process-spec.ts";
import { wantedSpecs } from "./platform/programs.ts";
import { supervise } from "./platform/supervisor.ts";
import { holdSupervisorSocket } from "./platform/supervisor-process.ts";
import { readWanted, wantedVersion } from "./platform/wanted.ts";

if (!process.env.PLIMSOLL_DATA_DIR) {
  console.error("The supervisor is started by npm start.");
  process.exit(1);
}
const root = resolve(import.meta.dirname, "..");
const layout = layoutOf(root, resolve(process.env.PLIMSOLL_DATA_DIR));

const atStart = readWanted(layout);
// The platform was stopped on purpose: a boot does not start it.
if (atStart?.processes === "none") process.exit(0);

/** Looked at many times a second: read again only when it was written anew. */
let known: { readonly version: string; readonly specs: readonly ProcessSpec[] } | undefined;
function readSpecs(): readonly ProcessSpec[] {
  const version = wantedVersion(layout);
  if (known?.version !== version) {
    const wanted = readWanted(layout);
    known = { version, specs: wanted === undefined ? [] : wantedSpecs(layout, wanted) };
  }
  return known.specs;
}

let wake: () => void = () => undefined;
await holdSupervisorSocket(layout, process.env.PLIMSOLL_CODE ?? "", () => wake());
if (atStart !== undefined) await restorePlaces(layout, atStart);
const supervisor = supervise({
  specs: readSpecs,
  recordsPath: join(layout.runDir, "processes.json"),
  logsDir: layout.logsDir,
  say: (line) => console.log(`${new Date().toISOString()} ${line}`),
});
wake = supervisor.wake;

const leave = async () => {
  await supervisor.leave();
  process.exit(0);
};
process.once("SIGTERM", leave);
process.once("SIGINT", leave);
// The terminal that started it may go.
process.on("SIGHUP", () => undefined);
