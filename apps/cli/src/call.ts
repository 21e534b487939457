import { type Client, createClient } from "./client.ts";
import type { Call } from "./command.ts";
import { loadLogin } from "./config.ts";
import type { Parsed } from "./parse.ts";
import { resolveApp, resolvePlace } from "./place.ts";

/** What a call has from plim as a whole. */
export interface Surroundings {
  readonly commands: Call["commands"];
  readonly signal: AbortSignal;
  readonly fail: Call["fail"];
}

/** What a command gets: what was typed, and the platform when it asks for it. */
export function createCall({ spec, arguments: words, options }: Parsed, { commands, signal, fail }: Surroundings): Call {
  let client: Promise<Client> | undefined;
  const open = () => {
    client ??= loadLogin().then((login) => createClient(login, signal));
    return client;
  };
  const option = (name: string) => options.get(name)?.[0] ?? spec.options?.find((one) => one.name === name)?.fallback;
  const json = options.get("output")?.[0] === "json";
  const print = (text: string) => void process.stdout.write(`${text}\n`);
  return {
    spec,
    commands,
    signal,
    json,
    fail,
    print,
    argument: (name) => words.get(name)?.[0],
    all: (name) => words.get(name) ?? options.get(name) ?? [],
    option,
    has: (name) => options.has(name),
    client: open,
    place: () => resolvePlace(options.get("namespace")?.[0], open),
    app: (named) => resolveApp(named, options.get("namespace")?.[0], open),
    note: (text) => void process.stderr.write(`${text}\n`),
    show: (data, text) => print(json ? JSON.stringify(data, null, 2) : text()),
  };
}
