import { AppError, type BuildEvent, type Resource } from "@plimsoll/core";
import type { Command } from "commander";
import { appName, namespacePath, openClient, place } from "../context.ts";
import { plain } from "../render.ts";

interface LogOptions {
  readonly namespace?: string;
  readonly follow?: boolean;
  readonly tail: string;
  readonly build?: string;
}

export function addLogs(program: Command): void {
  program
    .command("logs")
    .description("what an app's instances, or a build, wrote")
    .argument("[app]")
    .option("-n, --namespace <team/namespace>")
    .option("-f, --follow", "stay and show what comes")
    .option("--tail <lines>", "lines to begin with", "100")
    .option("--build <number>", "the log of this build instead")
    .action(async (named: string | undefined, options: LogOptions) => {
      const where = await place(options.namespace);
      const app = appName(named, where);
      if (options.build === undefined) await instanceLogs(namespacePath(where), app, options);
      else await buildLog(`${namespacePath(where)}/builds/${encodeURIComponent(`${app}-b${options.build}`)}/log`);
    });
}

async function instanceLogs(base: string, app: string, options: LogOptions): Promise<void> {
  const client = await openClient();
  const instances = await client.list<"Instance">(`${base}/instances?app=${encodeURIComponent(app)}`);
  if (instances.length === 0) throw new AppError("not_found", `${app} has no instance; plim describe ${app} says why.`);
  await Promise.all(
    instances.map(async (instance: Resource<"Instance">) => {
      const name = `${instance.spec.process}-${instance.spec.ordinal}`;
      const path = `${base}/instances/${encodeURIComponent(instance.metadata.name)}/log?tail=${Number(options.tail)}&follow=${options.follow === true}`;
      for await (const { event, data } of client.stream(path)) {
        if (event === "end") return;
        const line = JSON.parse(data) as { at: string; text: string };
        console.log(`${line.at.slice(11, 23)} ${name.padEnd(8)} ${plain(line.text)}`);
      }
    }),
  );
}

async function buildLog(path: string): Promise<void> {
  const client = await openClient();
  const labels = new Map<number, string>();
  for await (const { event: kind, data } of client.stream(path)) {
    if (kind === "end") return;
    const { event } = JSON.parse(data) as { event: BuildEvent };
    for (const line of buildLines(event, labels)) console.log(line);
  }
}

/** A build's event as lines; `labels` remembers the steps of its plan. */
function buildLines(event: BuildEvent, labels: Map<number, string>): readonly string[] {
  switch (event.type) {
    case "plan":
      for (const step of event.steps) labels.set(step.index, `${step.stage}  ${step.label}`);
      return [`Build   ${event.dockerfile}, target ${event.target}`];
    case "notice":
      return [plain(event.text)];
    case "step-started":
      return [plain(labels.get(event.step) ?? `step ${event.step}`)];
    case "step-log":
      return event.text
        .replace(/\n$/, "")
        .split("\n")
        .map((line) => `    ${plain(line)}`);
    case "step-done":
      return event.outcome === "cached" ? [`${plain(labels.get(event.step) ?? "")}  cached`] : [];
    case "done":
      return [`image ${event.image.digest}`];
    case "failed":
      return [plain(event.failure.message)];
  }
}
