/** `npm run status`: processes, hosts and apps. Exits with 1 when something that should run does not. */
import { join } from "node:path";
import { errorText } from "@plimsoll/core";
import { shown, thisInstallation } from "./platform/installation.ts";
import type { Layout } from "./platform/layout.ts";
import { identify, isAlive } from "./platform/process-identity.ts";
import { wantedSpecs } from "./platform/programs.ts";
import { readOverview } from "./platform/server-commands.ts";
import { readRecords } from "./platform/supervisor.ts";
import { visitSupervisor } from "./platform/supervisor-process.ts";
import { table } from "./platform/table.ts";
import { readWanted } from "./platform/wanted.ts";

async function main(layout: Layout): Promise<boolean> {
  const wanted = readWanted(layout);
  if (wanted === undefined) {
    console.log(`Plimsoll was never started with its data in ${layout.dataDir}: npm start`);
    return false;
  }
  const supervisor = await visitSupervisor(layout);
  const records = readRecords(join(layout.runDir, "processes.json"));
  const names = new Set([...wantedSpecs(layout, wanted).map(({ name }) => name), ...Object.keys(records)]);
  const rows = [...names].map((name) => {
    const record = records[name];
    const runs = record !== undefined && isAlive(record);
    const log = shown(join(layout.logsDir, `${name}.log`));
    if (!runs) return [name, "not running", "", "", String(record?.restarts ?? ""), log];
    return [name, "running", String(record.pid), since(record.startedAt), String(record.restarts), log];
  });
  const self = supervisor === undefined ? undefined : identify(supervisor.pid);
  const supervisorLog = shown(join(layout.logsDir, "supervisor.log"));
  rows.unshift(["supervisor", self === undefined ? "not running" : "running", String(self?.pid ?? ""), "", "", supervisorLog]);
  console.log(table(["PROCESS", "STATE", "PID", "SINCE", "RESTARTS", "LOG"], rows));

  const down = rows.filter(([, state]) => state !== "running").map(([name]) => name);
  if (wanted.server !== undefined) {
    console.log(`\n  This host is one of ${wanted.server}; its apps are shown there.`);
    return down.length === 0;
  }
  if (rows.find(([name]) => name === "postgres" || name === "server")?.[1] !== "running" && wanted.databaseUrl === undefined) {
    console.log("\n  Hosts and apps are not known while the database is down. Instances run without it. Start: npm start");
    return false;
  }
  const overview = await readOverview(layout, wanted);
  const hosts = overview.hosts.map((host) => [
    host.name,
    host.ready ? "ready" : "not ready",
    host.roles.join(" "),
    `${host.cpuMillis / 1_000} cpu`,
    `${Math.floor(host.memoryBytes / 1024 ** 3)} GiB`,
  ]);
  const apps = overview.apps.map((app) => [`${app.team}/${app.namespace}`, app.name, app.state, app.release ?? "", app.url ?? ""]);
  console.log(`\n${table(["HOST", "STATE", "ROLES", "CPU", "MEMORY"], hosts)}`);
  console.log(`\n${table(["NAMESPACE", "APP", "STATE", "RELEASE", "URL"], apps)}`);
  return down.length === 0;
}

function since(startedAt: string): string {
  const minutes = Math.floor((Date.now() - Date.parse(startedAt)) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2_880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1_440)} d`;
}

try {
  process.exitCode = (await main(thisInstallation())) ? 0 : 1;
} catch (error) {
  console.error(errorText(error));
  process.exitCode = 1;
}
