import type { Resource, Status } from "@plimsoll/core";
import { AppError } from "@plimsoll/core/errors";
import { waterfall } from "@plimsoll/core/waterfall";
import { eventsOfBuild } from "../build-output.ts";
import { adviceLines, failureLines, warningLine } from "../build-remarks.ts";
import type { Client } from "../client.ts";
import type { Run } from "../command.ts";
import { parseNumbered } from "../input.ts";
import { type AppPlace, placeName } from "../place.ts";
import { age, between, plain, shortCommit, size, state, table, widthOf } from "../render.ts";
import { waterfallText } from "../waterfall-text.ts";
import { instanceRow, resources } from "./apps.ts";

const NAMESPACE = "GET /api/v1/namespaces/:team/:namespace";
const LABEL_WIDTH = 11;
const COLUMN_WIDTH = 37;

export const describeApp: Run = async (call) => {
  const place = await call.app(call.argument("app"));
  const client = await call.client();
  const { app: name, ...params } = place;
  const app = await client.call(`${NAMESPACE}/apps/:name`, { params: { ...params, name } });
  const query = { app: name };
  const [instances, deployments, releases, events] = await Promise.all([
    client.list(`${NAMESPACE}/instances`, { params, query }),
    client.list(`${NAMESPACE}/deployments`, { params, query }, 5),
    client.list(`${NAMESPACE}/releases`, { params, query }, 50),
    eventsOf(client, params, 10, (event) => event.spec.regarding.uid === app.metadata.uid || regardsPartOf(event, name)),
  ]);
  const all = { app, instances: instances.items, deployments: deployments.items, events };
  call.show(all, () => {
    const live = releases.items.find(({ spec }) => spec.number === app.status.release);
    return [
      pair("App", name, "Namespace", `${params.namespace} (team ${params.team})`),
      pair(
        "Live",
        app.status.urls[0] ?? (live === undefined ? "nothing yet" : "without a URL: no process has a port"),
        "Release",
        live === undefined ? "none yet" : releaseWords(live),
      ),
      pair("State", state(app.status.phase), "Source", sourceOf(app, live)),
      ...Object.entries(app.spec.processes).map(([process, spec], at) => {
        const { ready, desired } = app.status.processes[process] ?? { ready: 0, desired: spec.replicas };
        return field(
          at === 0 ? "Process" : "",
          `${process}  ${ready}/${desired} ready   ${resources(spec)} each${spec.port === undefined ? "" : `, port ${spec.port}`}`,
        );
      }),
      ...namesOf("Env", Object.keys(app.spec.env)),
      ...namesOf("Secrets", Object.keys(app.spec.secrets)),
      ...(app.status.message === undefined ? [] : [field("Note", plain(app.status.message))]),
      ...section("Instances", instances.items.map(instanceRow)),
      ...section("Deployments", deployments.items.map(deploymentRow)),
      ...section("Events", events.map(eventRow)),
    ].join("\n");
  });
};

/** The release's command; where it failed, its output is that of the failure. */
function commandLines(command: NonNullable<Status<"Deployment">["command"]>, isTold: boolean): readonly string[] {
  const took = command.finishedAt === undefined ? "" : `, took ${between(command.startedAt, command.finishedAt)}`;
  const again = command.attempt > 1 ? ", second attempt" : "";
  return [
    field("Command", `${command.state}${took}${again}`),
    ...(isTold ? [] : command.output.map((line) => field("", `  ${plain(line)}`))),
  ];
}

export const describeDeployment: Run = async (call) => {
  const { number, app: named } = parseNumbered(call.argument("number") ?? "", "deployment", "d");
  const { app, ...params } = await call.app(named ?? call.option("app"));
  const client = await call.client();
  const deployment = await client.call(`${NAMESPACE}/deployments/:name`, { params: { ...params, name: `${app}-d${number}` } });
  const { spec, status } = deployment;
  const [release, instances, events, builds] = await Promise.all([
    client.call(`${NAMESPACE}/releases/:name`, { params: { ...params, name: `${app}-v${spec.release}` } }).catch(absent),
    client.list(`${NAMESPACE}/instances`, { params, query: { app } }),
    eventsOf(
      client,
      params,
      10,
      (event) => isDuring(event, deployment) && (event.spec.regarding.name === app || regardsPartOf(event, app)),
    ),
    client.list(`${NAMESPACE}/builds`, { params, query: { app } }, 50),
  ]);
  const its = instances.items.filter(({ spec: { release: of } }) => of === spec.release);
  const build = builds.items.find(({ metadata }) => metadata.uid === release?.spec.buildUid);
  call.show({ deployment, release: release ?? null, instances: its, events }, () => {
    const { failure, requests, previousRelease, command } = status;
    return [
      pair("Deployment", `${number} of ${app}`, "Namespace", `${params.namespace} (team ${params.team})`),
      pair("State", state(status.phase), "Release", release === undefined ? `v${spec.release}` : releaseWords(release)),
      pair(
        "Asked for",
        `${REASONS[spec.reason]} by ${plain(spec.createdBy)}`,
        "Before",
        previousRelease === undefined ? "nothing was live" : `v${previousRelease}`,
      ),
      pair("Began", `${age(deployment.metadata.createdAt)} ago`, "Took", between(status.startedAt, status.finishedAt)),
      ...(release === undefined ? [] : [field("Changed", release.spec.changed.map(plain).join(", ") || "nothing")]),
      ...(requests === undefined
        ? []
        : [field("Requests", `${requests.total.toLocaleString("en-US")} meanwhile, ${requests.failed.toLocaleString("en-US")} failed`)]),
      ...(status.message === undefined ? [] : [field("Note", plain(status.message))]),
      ...(command === undefined ? [] : commandLines(command, failure !== undefined)),
      ...(failure === undefined ? [] : [field("Why", `${failure.instance}: ${plain(failure.reason)}`)]),
      ...(failure === undefined || failure.logTail.length === 0
        ? []
        : [field("", "last lines:"), ...failure.logTail.map((line) => field("", `  ${plain(line)}`))]),
      ...(failure?.hint === undefined ? [] : [field("Hint", plain(failure.hint))]),
      ...section("Instances", its.map(instanceRow)),
      ...section("Events", events.map(eventRow)),
      ...next([
        ...(build === undefined ? [] : [`its build: plim logs ${app} --build ${build.spec.number}`]),
        ...(its.length === 0 ? [] : [`what it writes: plim logs ${app} -f`]),
        ...(status.phase === "starting" ? [`take it back: plim cancel deployment ${number} -a ${app}`] : []),
      ]),
    ].join("\n");
  });
};

const REASONS: Readonly<Record<Resource<"Deployment">["spec"]["reason"], string>> = {
  push: "git push",
  image: "an image",
  config: "a changed configuration",
  rollback: "a rollback",
};

export const describeBuild: Run = async (call) => {
  const { number, app: named } = parseNumbered(call.argument("number") ?? "", "build", "b");
  const { app, ...params } = await call.app(named ?? call.option("app"));
  const client = await call.client();
  const build = await client.call(`${NAMESPACE}/builds/:name`, { params: { ...params, name: `${app}-b${number}` } });
  const { spec, status } = build;
  // A build under way goes on telling; its log says more than a description can.
  const events = status.finishedAt === undefined ? [] : await eventsOfBuild(call, { ...params, app }, build.metadata.name);
  if (call.has("waterfall")) {
    if (status.finishedAt === undefined)
      throw new AppError("conflict", `Build ${number} is not over yet: plim logs ${app} --build ${number}`);
    const chart = waterfall(events);
    return call.show(chart, () => waterfallText(chart, process.stdout.columns || 120));
  }
  const warnings = events.flatMap((event) => (event.type === "warning" ? [event.warning] : []));
  const advice = events.flatMap((event) => (event.type === "advice" ? event.advice : []));
  call.show(build, () => {
    const { image, failure } = status;
    return [
      pair("Build", `${number} of ${app}`, "Namespace", `${params.namespace} (team ${params.team})`),
      pair("State", state(status.phase), "Release", status.release === undefined ? "none of it" : `v${status.release}`),
      pair("Of", sourceWords(spec.source), "Asked for", `by ${plain(spec.requestedBy)}, ${age(build.metadata.createdAt)} ago`),
      pair(
        "Host",
        status.host ?? "not placed yet",
        "Took",
        `${between(status.startedAt, status.finishedAt)}${status.attempt > 1 ? `, attempt ${status.attempt}` : ""}`,
      ),
      field("Limits", `${resources(spec.limits)}, ${spec.limits.timeoutMs / 60_000} min`),
      ...(image === undefined
        ? []
        : [
            field(
              "Image",
              `${image.digest}, ${size(image.layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))} in ${image.layers.length} layers`,
            ),
          ]),
      ...(failure === undefined && status.message !== undefined ? [field("Note", plain(status.message))] : []),
      ...(failure === undefined ? [] : failureOf(failure)),
      ...(warnings.length === 0 ? [] : ["", ...warnings.map(warningLine)]),
      ...(advice.length === 0 ? [] : ["", ...adviceLines(advice, false)]),
      ...next([
        `the whole log: plim logs ${app} --build ${number}`,
        ...(status.finishedAt === undefined
          ? []
          : [`what ran when, what the cache saved: plim describe build ${number} -a ${app} --waterfall`]),
        ...(status.finishedAt === undefined ? [`stop it: plim cancel build ${number} -a ${app}`] : []),
      ]),
    ].join("\n");
  });
};

function failureOf(failure: NonNullable<Resource<"Build">["status"]["failure"]>): readonly string[] {
  const [first = "", ...more] = failureLines(failure);
  const tail = failure.logTail ?? [];
  return [
    field("Why", first),
    ...more.map((line) => field("", line)),
    ...(tail.length === 0 ? [] : [field("", "last lines:"), ...tail.map((line) => field("", `  ${plain(line)}`))]),
  ];
}

export const describeRelease: Run = async (call) => {
  const { number, app: named } = parseNumbered(call.argument("release") ?? "", "release", "v");
  const { app, ...params } = await call.app(named ?? call.option("app"));
  const client = await call.client();
  const release = await client.call(`${NAMESPACE}/releases/:name`, { params: { ...params, name: `${app}-v${number}` } });
  const { spec } = release;
  call.show(release, () =>
    [
      pair("Release", `v${number} of ${app}`, "Namespace", `${params.namespace} (team ${params.team})`),
      pair(
        "Made",
        `${age(release.metadata.createdAt)} ago by ${plain(spec.createdBy)}`,
        "Of",
        spec.source === undefined ? "–" : sourceWords(spec.source),
      ),
      field("Changed", spec.changed.map(plain).join(", ") || "nothing"),
      ...(spec.source?.kind === "image" && spec.source.digest !== undefined ? [field("Pinned", spec.source.digest)] : []),
      field("Image", `${spec.image.digest}, ${size(spec.image.layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))}`),
      ...Object.entries(spec.processes).map(([name, process], at) =>
        field(
          at === 0 ? "Process" : "",
          `${name}  ${resources(process)} each   ${process.command === undefined ? "the image's command" : plain(process.command.join(" "))}`,
        ),
      ),
      ...namesOf("Env", Object.keys(spec.env)),
      ...namesOf("Secrets", Object.keys(spec.secrets)),
      ...next([`make it live again: plim rollback ${app} v${number}`]),
    ].join("\n"),
  );
};

export const describeInstance: Run = async (call) => {
  const { app, ...params } = await call.app(call.option("app"));
  const wanted = call.argument("instance") ?? "";
  const client = await call.client();
  const { items } = await client.list(`${NAMESPACE}/instances`, { params, query: { app } });
  const found = items.filter(({ metadata, spec }) => metadata.name === wanted || `${spec.process}-${spec.ordinal}` === wanted);
  if (found.length === 0)
    throw new AppError("not_found", `${app} in ${placeName(params)} has no instance ${wanted}; plim ps ${app} lists them.`);
  call.show(found, () => found.map((instance) => instanceText(instance, params)).join("\n\n"));
};

function instanceText({ metadata, spec, status }: Resource<"Instance">, place: { team: string; namespace: string }): string {
  const { lastExit, logTail } = status;
  const exit =
    lastExit === undefined
      ? []
      : [field("Last exit", `${exitWords(lastExit)}, ${age(lastExit.at)} ago, restarted ${status.restarts} times`)];
  return [
    pair("Instance", `${spec.process}-${spec.ordinal} of ${spec.app}`, "Namespace", `${place.namespace} (team ${place.team})`),
    pair("State", state(status.phase), "Release", `v${spec.release}`),
    pair(
      "Host",
      spec.host,
      "Address",
      status.address === undefined ? "–" : `${status.address}${spec.port === undefined ? "" : `:${spec.port}`}`,
    ),
    pair(
      "Started",
      status.startedAt === undefined ? "–" : `${age(status.startedAt)} ago`,
      "Ready",
      status.readyAt === undefined ? "not yet" : `after ${between(status.startedAt, status.readyAt)}`,
    ),
    field("Limits", resources(spec)),
    ...exit,
    ...(status.message === undefined ? [] : [field("Note", plain(status.message))]),
    ...(logTail === undefined || logTail.length === 0
      ? []
      : [field("Last lines", plain(logTail[0] ?? "")), ...logTail.slice(1).map((line) => field("", plain(line)))]),
    ...next([`what it writes: plim logs ${spec.app} -f --instance ${metadata.name}`]),
  ].join("\n");
}

function exitWords({ code, signal, outOfMemory, startsRefused }: NonNullable<Resource<"Instance">["status"]["lastExit"]>): string {
  if (outOfMemory) return "killed: out of memory";
  const ended = signal === undefined ? `exit ${code}` : `ended by ${signal}`;
  return startsRefused === undefined ? ended : `${ended}, at its limit of processes and threads`;
}

/** The newest events of a namespace that are of interest, newest first. */
async function eventsOf(
  client: Client,
  params: Omit<AppPlace, "app">,
  count: number,
  isOfInterest: (event: Resource<"Event">) => boolean,
): Promise<readonly Resource<"Event">[]> {
  const { items } = await client.list(`${NAMESPACE}/events`, { params: { ...params } }, 200);
  return latestFirst(items.filter(isOfInterest)).slice(0, count);
}

/** By when they happened last: one that happens again and again is told once. */
export function latestFirst(events: readonly Resource<"Event">[]): readonly Resource<"Event">[] {
  return [...events].sort((a, b) => Date.parse(b.spec.lastAt) - Date.parse(a.spec.lastAt));
}

/** Instances, builds, releases and deployments are named after their app. */
function regardsPartOf({ spec: { regarding } }: Resource<"Event">, app: string): boolean {
  return regarding.kind !== "App" && new RegExp(`^${app}-(?:[bdv]\\d+$|[a-z0-9-]+-)`).test(regarding.name);
}

function isDuring({ spec }: Resource<"Event">, { metadata, status }: Resource<"Deployment">): boolean {
  // Events are written a moment after what they tell of.
  const until = status.finishedAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(status.finishedAt) + 10_000;
  const at = Date.parse(spec.lastAt);
  return at >= Date.parse(metadata.createdAt) && at <= until;
}

export function deploymentRow({ spec, status, metadata }: Resource<"Deployment">): readonly string[] {
  const failed = status.requests === undefined ? "" : `${status.requests.failed.toLocaleString("en-US")} failed requests`;
  return [
    String(spec.number),
    `v${spec.release}`,
    state(status.phase),
    `${age(metadata.createdAt)} ago`,
    between(status.startedAt, status.finishedAt),
    spec.reason,
    plain(status.failure === undefined ? (status.message ?? failed) : `${status.failure.instance} ${status.failure.reason}`),
  ];
}

export function eventRow({ spec }: Resource<"Event">): readonly string[] {
  return [
    age(spec.lastAt),
    plain(spec.regarding.name),
    spec.type === "warning" ? `! ${spec.reason}` : spec.reason,
    `${plain(spec.message)}${spec.count > 1 ? ` (${spec.count} times)` : ""}`,
  ];
}

/** `git 4f2c1d9 "Free shipping"`, `image shop:2@sha256:4f2c1d9c0ffe`. */
export function sourceWords(source: NonNullable<Resource<"Build">["spec"]["source"]>): string {
  return source.kind === "image"
    ? `image ${plain(source.reference)}${pinnedWords(source)}`
    : `${shortCommit(source.commit)} "${plain(source.subject).slice(0, 60)}"`;
}

/** What a reference stood for, in short; nothing where it says so itself. */
function pinnedWords({ reference, digest }: { readonly reference: string; readonly digest?: string | undefined }): string {
  return digest === undefined || reference.includes("@") ? "" : `@${digest.slice(0, "sha256:".length + 12)}`;
}

/** Where what is live comes from; of an app that nothing is live of, where it would come from. */
function sourceOf({ spec: { source, appFile } }: Resource<"App">, live: Resource<"Release"> | undefined): string {
  const of = live?.spec.source ?? source;
  if (of.kind === "image") return `image ${plain(of.reference)}`;
  const git = source.kind === "git" ? source : undefined;
  return ["git push", git?.directory, git?.dockerfile, appFile?.path]
    .flatMap((part) => (part === undefined ? [] : [plain(part)]))
    .join(", ");
}

function releaseWords({ metadata, spec }: Resource<"Release">): string {
  const of = spec.source?.kind === "git" ? ` · ${shortCommit(spec.source.commit)}` : "";
  return `v${spec.number}${of} · ${age(metadata.createdAt)} ago by ${plain(spec.createdBy)}`;
}

function namesOf(label: string, names: readonly string[]): readonly string[] {
  return names.length === 0 ? [] : [field(label, [...names].sort().join(" "))];
}

function field(label: string, value: string): string {
  return `${label.padEnd(LABEL_WIDTH)}${value}`.trimEnd();
}

/** Two fields side by side where the first one leaves room, else one below the other. */
function pair(label: string, value: string, second: string, other: string): string {
  const first = field(label, value);
  const left = LABEL_WIDTH + COLUMN_WIDTH - widthOf(first);
  return left < 1 ? `${first}\n${field(second, other)}` : `${first}${" ".repeat(left)}${field(second, other)}`;
}

function section(title: string, rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length === 0) return [];
  return [
    title,
    ...table(rows)
      .split("\n")
      .map((line) => `  ${line}`),
  ];
}

function next(lines: readonly string[]): readonly string[] {
  return lines.map((line, at) => field(at === 0 ? "See" : "", line));
}

function absent(error: unknown): undefined {
  if (error instanceof AppError && error.code === "not_found") return undefined;
  throw error;
}
