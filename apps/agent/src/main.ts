import { errorText } from "@plimsoll/core";
import { startAgent } from "./agent.ts";
import { readSettings } from "./settings.ts";
import { tearDown } from "./teardown.ts";

const CLOSE_TIMEOUT_MS = 10_000;

const settings = readSettings(process.env);
const command = process.argv[2];

try {
  if (command === "teardown") {
    await tearDown(settings);
  } else {
    const end = async () => {
      // What does not end in time ends with the process: nothing of it is needed by what runs on.
      setTimeout(() => process.exit(0), CLOSE_TIMEOUT_MS).unref();
      await (await started).close().catch((error: unknown) => console.error(`agent: its end: ${errorText(error)}`));
      process.exit(0);
    };
    // Whoever looks after this process starts it again: supervisor or systemd.
    const started = startAgent(settings, () => void end());
    await started;
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void end());
  }
} catch (error) {
  console.error(`agent: ${errorText(error)}`);
  // At once: what it had begun would keep it alive, half an agent that nobody starts again.
  process.exit(1);
}
