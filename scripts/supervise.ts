/** The supervisor: one detached process for each data directory. `npm start` starts it, `npm stop` ends it. */
import { join, resolve } from "node:path";
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
