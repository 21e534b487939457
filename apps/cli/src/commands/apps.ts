import type { Resource } from "@plimsoll/core";
import { AppError } from "@plimsoll/core/errors";
import { isDeploymentOver } from "@plimsoll/core/phases";
import { followBuild } from "../build-output.ts";
import type { Call, Run } from "../command.ts";
import { usageError } from "../failure.ts";
import { ask, parseCount, parseNumbered } from "../input.ts";
import { type AppPlace, placeName } from "../place.ts";
import { age, memory, plain, state, table } from "../render.ts";
import { untilSeen } from "../watching.ts";

const ROLLOUT_MS = 15 * 60_000;
const DELETE_MS = 3 * 60_000;

export const apps: Run = async (call) => {
  const place = await call.place();
  const { items } = await (await call.client()).list("GET /api/v1/namespaces/:team/:namespace/apps", { params: { ...place } });
  call.show(items, () => {
    if (items.length === 0) return `No app in ${placeName(place)} yet. In a repository: plim init && git push plimsoll main`;
    const rows = items.map(({ metadata, spec, status }) => [
      metadata.name,
      state(status.phase),
      status.release === undefined ? "–" : `v${status.release}`,
      readyCounts(status.processes, spec.processes),
      status.urls[0] ?? "–",
    ]);
    return table(rows, ["APP", "STATE", "RELEASE", "READY", "URL"]);
  });
};

function readyCounts(processes: Resource<"App">["status"]["processes"], wanted: Resource<"App">["spec"]["processes"]): string {
  const counts = Object.entries(wanted).map(
    ([name, { replicas }]) => `${name} ${processes[name]?.ready ?? 0}/${processes[name]?.desired ?? replicas}`,
  );
  return counts.join(", ") || "–";
}

export const ps: Run = async (call) => {
  const { app, ...params } = await call.app(call.argument("app"));
  const { items } = await (await call.client()).list("GET /api/v1/namespaces/:team/:namespace/instances", { params, query: { app } });
  call.show(items, () => {
    if (items.length === 0) return `${app} has no instance. Why: plim describe ${app}`;
    return table(items.map(instanceRow), ["INSTANCE", "STATE", "RELEASE", "FOR", "HOST", "ADDRESS", "RESTARTS", ""]);
  });
};

export function instanceRow({ spec, status, metadata }: Resource<"Instance">): readonly string[] {
  const since = status.readyAt ?? status.startedAt ?? metadata.createdAt;
  return [
    `${spec.process}-${spec.ordinal}`,
    state(spec.desired === "draining" ? "draining" : status.phase),
    `v${spec.release}`,
    age(since),
    spec.host,
    status.address ?? "–",
    String(status.restarts),
    plain(status.message ?? ""),
  ];
}

export const scale: Run = async (call) => {
  const wanted = call.all("process=count").map((item) => {
    const [, process = "", count = ""] = /^([a-z][a-z0-9-]*)=(\d+)$/.exec(item) ?? [];
    if (process === "") throw usageError(`\`${item}\` is no process=count; write web=3.`, "scale");
    return { process, replicas: parseCount(count, process, { from: 0, to: 100 }) };
  });
  const { app, ...place } = await call.app(call.argument("app"));
  const client = await call.client();
  let scaled: Resource<"App"> | undefined;
  for (const body of wanted)
    scaled = await client.call("POST /api/v1/namespaces/:team/:namespace/apps/:app/scale", { params: { ...place, app }, body });
  call.show(scaled, () => wanted.map(({ process, replicas }) => `${app}: ${process} ×${replicas}`).join("\n"));
};

export const rollback: Run = async (call) => {
  const first = call.argument("app");
  const second = call.argument("release");
  // `plim rollback v12` in a repository: a word like a release's number is one.
  const isRelease = first !== undefined && second === undefined && /^v\d+$/.test(first);
  const wanted = isRelease ? first : second;
  const { app, ...place } = await call.app(isRelease ? undefined : first);
  const body = wanted === undefined ? {} : { release: parseNumbered(wanted, "release", "v").number };
  const client = await call.client();
  const deployment = await client.call("POST /api/v1/namespaces/:team/:namespace/apps/:app/rollback", { params: { ...place, app }, body });
  await showRollout(call, { ...place, app }, deployment);
};

/** Says what a new deployment does, and with --wait how it ended. */
export async function showRollout(call: Call, { app, ...place }: AppPlace, deployment: Resource<"Deployment">): Promise<void> {
  const { number, release } = deployment.spec;
  if (!call.has("wait")) {
    call.show(
      deployment,
      () => `${app}: v${release} is being rolled out (deployment ${number}). See: plim describe deployment ${number} -a ${app}`,
    );
    return;
  }
  const client = await call.client();
  const params = { ...place, name: deployment.metadata.name };
  const ended = await untilSeen(call, place, {
    timeoutMs: ROLLOUT_MS,
    waitedFor: `Deployment ${number} of ${app}`,
    look: async () => {
      const now = await client.call("GET /api/v1/namespaces/:team/:namespace/deployments/:name", { params });
      return isDeploymentOver(now.status.phase) ? now : undefined;
    },
  });
  call.show(ended, () => `${app}: v${release} ${state(ended.status.phase)}`);
  if (ended.status.phase !== "complete")
    call.fail(new AppError("conflict", `v${release} was not rolled out. Why: plim describe deployment ${number} -a ${app}`));
}

export const deploy: Run = async (call) => {
  const [reference, branch] = [call.option("image"), call.option("branch")];
  if ((reference === undefined) === (branch === undefined))
    throw usageError(
      "plim deploy takes an image, --image registry.example/shop:1, or a stored branch, --branch feature/x. What is on main is deployed by git push.",
      "deploy",
    );
  if (branch !== undefined) return deployBranch(call, branch);
  if (reference === undefined) return;
  const { app, ...place } = await call.app(call.argument("app"));
  const client = await call.client();
  const params = { ...place, app };
  const known = await client
    .call("GET /api/v1/namespaces/:team/:namespace/apps/:name", { params: { ...place, name: app } })
    .catch((error) => {
      if (error instanceof AppError && error.code === "not_found") return undefined;
      throw error;
    });
  if (known === undefined) await client.call("POST /api/v1/namespaces/:team/:namespace/apps", { params: place, body: { name: app } });
  const build = await client.call("POST /api/v1/namespaces/:team/:namespace/apps/:app/deploy", { params, body: { reference } });
  call.note(`Build ${build.spec.number} of ${app} in ${placeName(place)}`);
  await followDeploy(call, { ...place, app }, build.metadata.name);
};

async function deployBranch(call: Call, branch: string): Promise<void> {
  const { app, ...place } = await call.app(call.argument("app"));
  const build = await (await call.client()).call("POST /api/v1/namespaces/:team/:namespace/apps/:app/deploy-branch", {
    params: { ...place, app },
    body: { branch },
  });
  call.note(`Build ${build.spec.number} of ${app} in ${placeName(place)}`);
  await followDeploy(call, { ...place, app }, build.metadata.name);
}

/** Follows a build to its end, and the rollout of its release; plim ends with 1 when what was asked for is not live then. */
async function followDeploy(call: Call, { app, ...place }: AppPlace, name: string): Promise<void> {
  const end = await followBuild(call, { ...place, app }, name);
  if (end?.phase !== "succeeded") return;
  const client = await call.client();
  const { spec, status } = await untilSeen(call, place, {
    timeoutMs: ROLLOUT_MS,
    waitedFor: `The rollout of ${app}`,
    look: async () => {
      const { release } = (await client.call("GET /api/v1/namespaces/:team/:namespace/builds/:name", { params: { ...place, name } }))
        .status;
      if (release === undefined) return undefined;
      const { items } = await client.list("GET /api/v1/namespaces/:team/:namespace/deployments", { params: { ...place }, query: { app } });
      return items.find((one) => one.spec.release === release && isDeploymentOver(one.status.phase));
    },
  });
  if (status.phase === "complete") {
    const { urls } = (await client.call("GET /api/v1/namespaces/:team/:namespace/apps/:name", { params: { ...place, name: app } })).status;
    call.note(`v${spec.release} is live${urls[0] === undefined ? ", without a URL: no process of it has a port" : `: ${urls[0]}`}`);
    return;
  }
  for (const line of status.failure?.logTail ?? []) call.note(`  ${plain(line)}`);
  const why = plain(status.message ?? `v${spec.release} was not rolled out: it is ${status.phase}.`);
  call.fail(new AppError("conflict", `${why}\nMore: plim describe deployment ${spec.number} -a ${app}`));
}

export const destroy: Run = async (call) => {
  const { app, ...place } = await call.app(call.argument("app"));
  const client = await call.client();
  const params = { ...place, app };
  const found = await client.call("GET /api/v1/namespaces/:team/:namespace/apps/:name", { params: { ...place, name: app } });
  if (!call.has("yes")) {
    if (!process.stdin.isTTY)
      throw usageError(`Destroying ${app} in ${placeName(place)} is not undone; without a terminal to ask on, say --yes.`, "destroy");
    const instances = Object.values(found.status.processes).reduce((sum, { desired }) => sum + desired, 0);
    call.note(
      `This stops ${instances} instances of ${app} in ${placeName(place)} and removes its releases, secrets, history and repository.`,
    );
    if ((await ask(`Type ${app} to go on: `, { instead: "--yes", command: "destroy" })).trim() !== app)
      throw new AppError("invalid", "Nothing was done.");
  }
  const removed = await client.call("DELETE /api/v1/namespaces/:team/:namespace/apps/:app", { params });
  if (!call.has("no-wait"))
    await untilSeen(call, place, {
      timeoutMs: DELETE_MS,
      waitedFor: `The end of ${app}`,
      look: () =>
        client.call("GET /api/v1/namespaces/:team/:namespace/apps/:name", { params: { ...place, name: app } }).then(
          (left) => (left.metadata.uid === found.metadata.uid ? undefined : true),
          (error) => {
            if (error instanceof AppError && error.code === "not_found") return true;
            throw error;
          },
        ),
    });
  call.show(removed, () => (call.has("no-wait") ? `${app} is being removed.` : `${app} is gone.`));
};

/** `256 MiB, 0.5 cpu`. */
export function resources({ memoryBytes, cpuMillis }: { readonly memoryBytes: number; readonly cpuMillis: number }): string {
  return `${memory(memoryBytes)}, ${cpuMillis / 1_000} cpu`;
}
