/**
 * `npm run join -- --server https://ADDRESS:PORT --token TOKEN`: makes this machine a host of the Plimsoll that runs there. Only the
 * agent runs here; `npm stop`, `npm stop -- --all` and `npm run status` are about this host alone.
 */
import { hostname } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { AppError, errorText } from "@plimsoll/core";
import { createProgress } from "./bootstrap/progress.mjs";
import { thisInstallation } from "./platform/installation.ts";
import type { Layout } from "./platform/layout.ts";
import { isAlive } from "./platform/process-identity.ts";
import { readRecords } from "./platform/supervisor.ts";
import { ensureSupervisor, until } from "./platform/supervisor-process.ts";
import { readWanted, startEnvironment, wantedBy, writeWanted } from "./platform/wanted.ts";

const USAGE = "npm run join -- --server https://ADDRESS:PORT --token TOKEN [--name NAME]   (plim host add prints it)";
/** An agent that is refused ends at once; one that has lived so long is in. */
const SETTLED_MS = 5_000;

async function main(layout: Layout): Promise<void> {
  const { values } = parseArgs({ options: { server: { type: "string" }, token: { type: "string" }, name: { type: "string" } } });
  const last = readWanted(layout);
  if (last !== undefined && last.server === undefined) {
    throw new AppError("conflict", "This data directory is of a machine that runs the platform itself; join from another machine.");
  }
  const server = values.server ?? last?.server;
  if (server === undefined) throw new AppError("invalid", USAGE);
  const token = values.token ?? last?.enrollToken;
  const base = wantedBy(startEnvironment(last), last, "production");
  const hostName = values.name ?? last?.hostName ?? nameOfThisMachine();
  writeWanted(layout, { ...base, processes: "agent", server, hostName, ...(token === undefined ? {} : { enrollToken: token }) });
  await createProgress(process.stdout).step("host", `${hostName} joins ${server}`, async () => {
    await ensureSupervisor(layout, base.code, process.env);
    const agent = () => readRecords(join(layout.runDir, "processes.json")).agent;
    const settled = () => {
      const record = agent();
      return record !== undefined && isAlive(record) && Date.now() - Date.parse(record.startedAt) > SETTLED_MS;
    };
    await until(async () => settled(), 60_000, "The agent does not stay up; the last lines of logs/agent.log tell why.");
    return { said: `${hostName} joined ${server}`, value: undefined };
  });
}

/** As host names may be: lower case, digits, hyphens, a letter first. */
function nameOfThisMachine(): string {
  const name =
    hostname()
      .split(".")[0]
      ?.toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, "-") ?? "";
  return /^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/.test(name) ? name : "host-b";
}

try {
  await main(thisInstallation());
} catch (error) {
  console.log(`\n${errorText(error)}`);
  process.exitCode = 1;
}
