import { api, callApi, inDemo, readStream } from "./api.ts";
import { demoScope } from "./app.ts";
import type { Platform } from "./platform.ts";

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

const STREAM_MS = 1_000;
const OPERATORS = /^\/api\/v1\/(hosts|host-loads|disks)\b/;
const TEAM = { team: "demo", namespace: "demo" } as const;

/**
 * Every answer of every GET route that the OpenAPI document names, for all objects of namespace `demo`: answers by path. A route that it
 * cannot fill in is an error, so that a new one is not overlooked.
 */
export async function walkApi(platform: Platform): Promise<ReadonlyMap<string, string>> {
  const document = await api<Document>(platform, "GET", "/api/v1/openapi.json");
  const answers = new Map<string, string>([["/api/v1/openapi.json", JSON.stringify(document)]]);
  for (const [path, { get }] of Object.entries(document.paths)) {
    // Tools ask it with name and password; it makes tokens and shows nothing of the platform.
    if (get === undefined || path === "/api/v1/registry/token") continue;
    const isStream = Object.values(get.responses).some(({ content }) => content !== undefined && "text/event-stream" in content);
    for (const filled of await fillIn(platform, path)) {
      const { status, text } = isStream ? await readStream(platform, filled, STREAM_MS) : await callApi(platform, "GET", filled);
      // Nobody's claim, an app that is connected to nothing, and what is for operators where the platform is shared: refusals are searched as well.
      const isOptional = path.endsWith("/connection") && status === 404;
      const mayRefuse = isOptional || path.startsWith("/api/v1/claim/") || (OPERATORS.test(path) && status === 403);
      if (status !== 200 && !mayRefuse) throw new Error(`GET ${filled} answered ${status}: ${text}`);
      answers.set(filled, text);
    }
  }
  return answers;
}

async function fillIn(platform: Platform, path: string): Promise<readonly string[]> {
  if (path === "/api/v1/watch") return [`${path}?scope=${await demoScope(platform)}:0`];
  if (path === "/api/v1/claim/{code}") return ["/api/v1/claim/NONE-NONE-NONE"];
  const filled = path.replace("{team}", TEAM.team).replace("{namespace}", TEAM.namespace);
  if (filled.includes("{host}")) return [filled.replace("{host}", "this-host")];
  if (filled.includes("{app}")) {
    const apps = await namesOf(platform, "apps");
    return (await Promise.all(apps.map((app) => fillIn(platform, filled.replace("{app}", app))))).flat();
  }
  const kind = /^\/api\/v1\/namespaces\/demo\/demo\/(\w+)\/\{name\}/.exec(filled)?.[1];
  const query = filled.endsWith("/log") && kind === "instances" ? "?tail=10000" : "";
  const names = kind === undefined ? [""] : await namesOf(platform, kind);
  const all = names.map((name) => `${filled.replace("{name}", encodeURIComponent(name))}${query}`);
  const open = all.find((one) => one.includes("{"));
  if (open !== undefined) throw new Error(`nobody knows what to put into ${path}`);
  return all;
}

async function namesOf(platform: Platform, kind: string): Promise<readonly string[]> {
  const { items } = await api<{ items: readonly { metadata: { name: string } }[] }>(platform, "GET", inDemo(`/${kind}?limit=500`));
  return items.map(({ metadata }) => metadata.name);
}
