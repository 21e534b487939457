import { errorText } from "@plimsoll/core";
import { startAgent } from "./agent.ts";
import { readSettings } from "./settings.ts";
import { tearDown } from "./teardown.ts";

const settings = readSettings(process.env);
const command = process.argv[2];

try {
  if (command === "teardown") {
    await tearDown(settings);
  } else {
    const agent = await startAgent(settings);
    for (const signal of ["SIGTERM", "SIGINT"] as const)
      process.once(signal, () => {
        void agent.close().finally(() => process.exit(0));
      });
  }
} catch (error) {
  console.error(`agent: ${errorText(error)}`);
  process.exitCode = 1;
}
