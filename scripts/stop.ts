/** `npm stop`: ends the platform and leaves instances and their ingress running; `npm stop -- --all` ends those too. */
import { parseArgs } from "node:util";
import { errorText } from "@plimsoll/core";
import { bringDown } from "./platform/bring-down.ts";
import { thisInstallation } from "./platform/installation.ts";

try {
  const { values } = parseArgs({ options: { all: { type: "boolean", default: false } } });
  const ended = await bringDown(thisInstallation(), values);
  console.log(ended.length === 0 ? "Nothing was running." : `Stopped: ${ended.join(", ")}.`);
  if (!values.all) console.log("Instances and their ingress go on as they are. To end them too: npm stop -- --all");
} catch (error) {
  console.error(errorText(error));
  process.exitCode = 1;
}
