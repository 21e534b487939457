/** `npm run dev`: the platform with hot reload, its logs in this terminal. Ctrl-C stops it and leaves instances running. */
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { errorText } from "@plimsoll/core";
import { bringDown } from "./platform/bring-down.ts";
import { bringUp } from "./platform/bring-up.ts";
import { thisInstallation } from "./platform/installation.ts";

const SHOWN = ["server", "portal", "agent"];
const LOOK_EVERY_MS = 250;
const layout = thisInstallation();

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  console.log("\nstopping; instances go on");
  await bringDown(layout, { all: false });
  process.exit();
}
process.on("SIGINT", () => void stop());
process.on("SIGTERM", () => void stop());

for (const name of SHOWN) follow(name);
try {
  const { setup, wanted } = await bringUp(layout, "development");
  console.log(
    `\n  Portal  ${setup.claimUrl ?? `http://localhost:${wanted.httpPort}`}\n\n  A change of a source file reloads what uses it. Ctrl-C stops.\n`,
  );
} catch (error) {
  console.error(errorText(error));
}

/** Copies what is appended to a log from now on, with the process's name in front of each line. */
function follow(name: string): void {
  const path = join(layout.logsDir, `${name}.log`);
  let offset = existsSync(path) ? statSync(path).size : 0;
  setInterval(() => {
    if (!existsSync(path)) return;
    const { size } = statSync(path);
    if (size < offset) offset = 0; // rotated
    if (size === offset) return;
    const file = openSync(path, "r");
    const chunk = Buffer.alloc(size - offset);
    readSync(file, chunk, 0, chunk.length, offset);
    closeSync(file);
    offset = size;
    for (const line of chunk.toString().trimEnd().split("\n")) console.log(`${name.padEnd(6)} │ ${line}`);
  }, LOOK_EVERY_MS);
}
