import type { Resource } from "@plimsoll/core";
import type { Command } from "commander";
import { appName, namespacePath, openClient, place } from "../context.ts";
import { age, plain, table } from "../render.ts";

interface Where {
  readonly namespace?: string;
}

const SHAPES: Record<Resource<"App">["status"]["phase"], string> = {
  empty: "○",
  deploying: "▲",
  live: "●",
  degraded: "◐",
  sleeping: "○",
  failing: "✖",
};

export function addApps(program: Command): void {
  const namespaced = (command: Command) => command.option("-n, --namespace <team/namespace>");

  namespaced(program.command("apps").description("the apps of a namespace and how they are")).action(async (options: Where) => {
    const client = await openClient();
    const apps = await client.list<"App">(`${namespacePath(await place(options.namespace))}/apps`);
    if (apps.length === 0) return console.log("No app yet. In a repository with a Dockerfile: plim init && git push plimsoll main");
    console.log(table(apps.map((app) => [...appRow(app)])));
  });

  namespaced(program.command("ps").description("the instances of an app").argument("[app]")).action(
    async (named: string | undefined, options: Where) => {
      const where = await place(options.namespace);
      const client = await openClient();
      const app = appName(named, where);
      const instances = await client.list<"Instance">(`${namespacePath(where)}/instances?app=${encodeURIComponent(app)}`);
      if (instances.length === 0) return console.log(`${app} has no instance.`);
      console.log(table(instances.map((instance) => [...instanceRow(instance)])));
    },
  );

  namespaced(program.command("scale").description("set how many instances run").argument("<app>").argument("<process=count...>")).action(
    async (app: string, wanted: string[], options: Where) => {
      const path = `${namespacePath(await place(options.namespace))}/apps/${encodeURIComponent(app)}/scale`;
      const client = await openClient();
      for (const item of wanted) {
        const [process, count] = item.split("=");
        await client.send("POST", path, { process, replicas: Number(count) });
        console.log(`${app}: ${process} ×${count}`);
      }
    },
  );

  namespaced(
    program
      .command("rollback")
      .description("make an earlier release live again")
      .argument("<app>")
      .argument("[release]", "v12; default: the one before"),
  ).action(async (app: string, release: string | undefined, options: Where) => {
    const path = `${namespacePath(await place(options.namespace))}/apps/${encodeURIComponent(app)}/rollback`;
    const client = await openClient();
    const number = release === undefined ? undefined : Number(release.replace(/^v/, ""));
    const deployment = await client.send<Resource<"Deployment">>("POST", path, number === undefined ? {} : { release: number });
    console.log(`${app}: v${deployment.spec.release} is being rolled out (${deployment.metadata.name}).`);
  });

  namespaced(program.command("describe").description("what an app is, where it runs, what happened").argument("[app]")).action(
    async (named: string | undefined, options: Where) => {
      const where = await place(options.namespace);
      console.log(await describe(where, appName(named, where)));
    },
  );
}

async function describe(where: Awaited<ReturnType<typeof place>>, name: string): Promise<string> {
  const client = await openClient();
  const base = namespacePath(where);
  const query = `?app=${encodeURIComponent(name)}`;
  const [app, instances, deployments, events] = await Promise.all([
    client.get<Resource<"App">>(`${base}/apps/${encodeURIComponent(name)}`),
    client.list<"Instance">(`${base}/instances${query}`),
    client.list<"Deployment">(`${base}/deployments${query}`),
    client.list<"Event">(`${base}/events${query}`),
  ]);
  const lines = [
    `App        ${name.padEnd(34)} Namespace  ${where.namespace} (team ${where.team})`,
    `Live       ${(app.status.urls[0] ?? "–").padEnd(34)} Release    ${app.status.release === undefined ? "none yet" : `v${app.status.release}`}`,
    ...Object.entries(app.spec.processes).map(([process, spec]) => {
      const state = app.status.processes[process] ?? { ready: 0, desired: spec.replicas };
      return `Process    ${process} ${state.ready}/${state.desired} ready   ${spec.memoryBytes / 1024 ** 2} MiB, ${spec.cpuMillis / 1000} cpu each`;
    }),
    ...(app.status.message === undefined ? [] : [`Note       ${plain(app.status.message)}`]),
    "Instances",
    ...instances.map((instance) => `  ${instanceRow(instance).join("  ")}`),
    "Deployments",
    ...newest(deployments, 5).map(({ spec, status, metadata }) =>
      `  v${spec.release}  ${status.phase}  ${age(metadata.createdAt)} ago  ${plain(status.message ?? "")}`.trimEnd(),
    ),
    "Events",
    ...newest(events, 10).map(({ spec }) => `  ${age(spec.lastAt)}  ${spec.regarding.name}  ${spec.reason}  ${plain(spec.message)}`),
  ];
  return lines.join("\n");
}

/** The last few, newest first, whatever order they came in. */
function newest<K extends "Deployment" | "Event">(objects: readonly Resource<K>[], count: number): readonly Resource<K>[] {
  return [...objects].sort((a, b) => (a.metadata.uid < b.metadata.uid ? 1 : -1)).slice(0, count);
}

function appRow(app: Resource<"App">): readonly string[] {
  const ready = Object.entries(app.status.processes).map(([name, state]) => `${state.ready}/${state.desired} ${name}`);
  return [
    `${SHAPES[app.status.phase]} ${app.metadata.name}`,
    app.status.release === undefined ? "–" : `v${app.status.release}`,
    app.status.phase,
    ready.join(" ") || "–",
    app.status.urls[0] ?? "–",
  ];
}

function instanceRow({ spec, status, metadata }: Resource<"Instance">): readonly string[] {
  const since = status.readyAt ?? status.startedAt ?? metadata.createdAt;
  const restarts = status.restarts === 0 ? "" : `${status.restarts} restarts`;
  return [
    `${spec.process}-${spec.ordinal}`,
    `v${spec.release}`,
    status.phase,
    spec.host,
    age(since),
    restarts,
    plain(status.message ?? ""),
  ];
}
