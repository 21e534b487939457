import type { LogLine } from "@plimsoll/contracts";
import type { Resource } from "@plimsoll/core";
import { AppError } from "@plimsoll/core/errors";
import { linkNotes, printBuildLog } from "../build-output.ts";
import { outputLine } from "../build-remarks.ts";
import type { Call, Run } from "../command.ts";
import { followEvents, problemOf, type ServerEvent } from "../event-stream.ts";
import { parseCount, parseNumbered } from "../input.ts";
import type { AppPlace, Place } from "../place.ts";
import { styled } from "../render.ts";
import { changes } from "../watching.ts";

const INSTANCES = "GET /api/v1/namespaces/:team/:namespace/instances";
/** All that a host keeps of a log that begins while we look, or nearly. */
const FROM_THE_START = 10_000;
const COLOURS = ["cyan", "magenta", "blue", "yellow", "green"] as const;

export const logs: Run = async (call) => {
  const numbered = call.option("build") === undefined ? undefined : parseNumbered(call.option("build") ?? "", "build", "b");
  const place = await call.app(call.argument("app") ?? numbered?.app ?? call.option("app"));
  if (numbered !== undefined) {
    await printBuildLog(call, place, `${place.app}-b${numbered.number}`);
    return;
  }
  const tail = parseCount(call.option("tail") ?? "100", "--tail", { from: 0, to: 10_000 });
  return call.has("follow") ? followApp(call, place, tail) : printApp(call, place, tail);
};

/** The last lines of all instances, in the order of their times. */
async function printApp(call: Call, place: AppPlace, tail: number): Promise<void> {
  const { app, ...params } = place;
  const client = await call.client();
  const instances = await wantedInstances(call, place);
  if (instances.length === 0) throw new AppError("not_found", `${app} has no instance. Why: plim describe ${app}`);
  const logs = await Promise.all(
    instances.map(async (instance) => {
      const lines: { readonly instance: Resource<"Instance">; readonly line: LogLine }[] = [];
      const input = { params: { ...params, name: instance.metadata.name }, query: { tail, follow: false } };
      for await (const { event, data } of client.events(`${INSTANCES}/:name/log`, input)) {
        if (event === "end") break;
        if (event === "error") throw problemOf(data);
        if (event === "message") lines.push({ instance, line: JSON.parse(data) as LogLine });
      }
      return lines;
    }),
  );
  const merged = logs.flat().sort((a, b) => (a.line.at < b.line.at ? -1 : a.line.at > b.line.at ? 1 : 0));
  const print = printer(call);
  for (const { instance, line } of merged) print(instance, line);
}

/**
 * The last lines of all instances and what comes, also of instances that come: a deploy is followed through. Each line once, across
 * restarts of the platform and of hosts. Until Ctrl-C; of one named instance until it is gone.
 */
async function followApp(call: Call, place: AppPlace, tail: number): Promise<void> {
  const client = await call.client();
  const followed = new Map<string, Promise<void>>();
  const print = printer(call);
  const onLink = linkNotes(call);
  const failed = new AbortController();
  let failure: unknown;
  const follow = (instance: Resource<"Instance">, lines: number) => {
    const { uid } = instance.metadata;
    if (followed.has(uid) || !isWanted(call, instance, place.app)) return;
    const following = followInstance(call, place, instance, { tail: lines, print, signal: AbortSignal.any([call.signal, failed.signal]) });
    followed.set(
      uid,
      following.catch((error: unknown) => {
        failure ??= error;
        failed.abort();
      }),
    );
  };
  let isFirst = true;
  const signal = AbortSignal.any([call.signal, failed.signal]);
  for await (const change of changes(client, place, { signal, onLink })) {
    if (change === undefined) {
      const found = await wantedInstances(call, place);
      if (isFirst && found.length === 0) {
        if (call.option("instance") !== undefined) throw noInstance(call, place);
        call.note(`${place.app} has no instance yet; its lines are shown when one comes. Why: plim describe ${place.app}`);
      }
      for (const instance of found) follow(instance, isFirst ? tail : FROM_THE_START);
      isFirst = false;
      if (call.option("instance") !== undefined) break;
    } else if (change.type !== "deleted" && change.object.metadata.kind === "Instance") {
      follow(change.object as Resource<"Instance">, FROM_THE_START);
    }
  }
  await Promise.all(followed.values());
  if (failure !== undefined) throw failure;
}

interface Following {
  readonly tail: number;
  readonly print: (instance: Resource<"Instance">, line: LogLine) => void;
  readonly signal: AbortSignal;
}

/** One instance's log until the instance is gone. What ends a stream may also be its host's agent: then it is asked for again. */
async function followInstance(
  call: Call,
  { team, namespace }: Place,
  instance: Resource<"Instance">,
  { tail, print, signal }: Following,
): Promise<void> {
  const client = await call.client();
  const params = { team, namespace, name: instance.metadata.name };
  const open = (lastEventId: string | undefined) =>
    untilGone(client.events(`${INSTANCES}/:name/log`, { params, query: { tail, follow: true } }, { lastEventId, signal }));
  async function* untilGone(events: AsyncIterable<ServerEvent>): AsyncGenerator<ServerEvent> {
    for await (const event of events) {
      if (event.event !== "end") yield event;
      else if (!(await isThere())) yield event;
    }
  }
  const isThere = async () => {
    const found = await client.call(`${INSTANCES}/:name`, { params }).catch(absent);
    return found?.metadata.uid === instance.metadata.uid && found.status.phase !== "stopped";
  };
  try {
    for await (const { event, data } of followEvents(open, { signal })) {
      if (event === "end") return;
      if (event === "message" && data !== "") print(instance, JSON.parse(data) as LogLine);
    }
  } catch (error) {
    // It went while its log was asked for.
    if (!(error instanceof AppError && error.code === "not_found")) throw error;
  }
}

async function wantedInstances(call: Call, place: AppPlace): Promise<readonly Resource<"Instance">[]> {
  const { app, ...params } = place;
  const { items } = await (await call.client()).list(INSTANCES, { params, query: { app } });
  const wanted = items.filter((instance) => isWanted(call, instance, app));
  if (items.length > 0 && wanted.length === 0) throw noInstance(call, place);
  return wanted;
}

function isWanted(call: Call, instance: Resource<"Instance">, app: string): boolean {
  const { spec, metadata, status } = instance;
  const [one, process] = [call.option("instance"), call.option("process")];
  if (spec.app !== app || status.phase === "stopped") return false;
  return (one === undefined || one === metadata.name || one === nameOf(instance)) && (process === undefined || process === spec.process);
}

function noInstance(call: Call, { app }: AppPlace): AppError {
  const which = call.option("instance") ?? `of process ${call.option("process")}`;
  return new AppError("not_found", `${app} has no instance ${which}; plim ps ${app} lists them.`);
}

function nameOf({ spec }: Resource<"Instance">): string {
  return `${spec.process}-${spec.ordinal}`;
}

function absent(error: unknown): undefined {
  if (error instanceof AppError && error.code === "not_found") return undefined;
  throw error;
}

/** Writes lines with their time and instance; one JSON object a line with -o json. */
function printer(call: Call): Following["print"] {
  const colours = new Map<string, (typeof COLOURS)[number]>();
  return (instance, line) => {
    const name = nameOf(instance);
    if (call.json) return call.print(JSON.stringify({ instance: instance.metadata.name, process: instance.spec.process, ...line }));
    const colour = colours.get(name) ?? COLOURS[colours.size % COLOURS.length] ?? "cyan";
    colours.set(name, colour);
    call.print(`${styled("dim", line.at.slice(11, 23))} ${styled(colour, name.padEnd(8))} ${outputLine(line.text)}`);
  };
}
