import type { QuotaVector } from "@plimsoll/core";
import type { Call, Run } from "../command.ts";
import { usageError } from "../failure.ts";
import { parseBytes } from "../input.ts";
import { myPlaces, type Place, placeName, resolvePlace } from "../place.ts";
import { memory, table } from "../render.ts";

const ONE = "/api/v1/namespaces/:team/:namespace";
const NOTHING: QuotaVector = { cpuMillis: 0, memoryBytes: 0, instances: 0, builds: 0 };

export const namespaces: Run = async (call) => {
  const client = await call.client();
  const places = await myPlaces(client);
  const found = await Promise.all(places.map((place) => client.call(`GET ${ONE}`, { params: { ...place } })));
  call.show(found, () => {
    if (found.length === 0) return "You are in no namespace yet; ask the owner of a team, or: plim namespaces create team/name";
    const rows = found.map(({ metadata, spec, status }) => [
      `${metadata.team}/${metadata.name}`,
      ...DIMENSIONS.map(({ key, text }) => `${text(status.used[key])} of ${text(spec.quota[key])}`),
    ]);
    return table(rows, ["NAMESPACE", ...DIMENSIONS.map(({ word }) => word.toUpperCase())]);
  });
};

export const namespacesCreate: Run = async (call) => {
  const [team = "", name = "", extra] = (call.argument("team/name") ?? "").split("/");
  if (team === "" || name === "" || extra !== undefined) throw usageError("A namespace is named team/name.", "namespaces create");
  const changes = call.all("dimension=amount");
  const client = await call.client();
  const quota = changes.length === 0 ? {} : { quota: { ...NOTHING, ...parseQuota(changes) } };
  const made = await client.call("POST /api/v1/teams/:team/namespaces", { params: { team }, body: { name, ...quota } });
  call.show(made, () => `${team}/${name} is there, with ${quotaWords(made.spec.quota)}.`);
};

export const teams: Run = async (call) => {
  const client = await call.client();
  const { teams: mine } = await client.call("GET /api/v1/me", {});
  const found = await Promise.all(mine.map(({ name }) => client.call("GET /api/v1/teams/:team", { params: { team: name } })));
  call.show(found, () => {
    if (found.length === 0) return "You are in no team; a platform operator makes one: plim teams create";
    const rows = found.map(({ metadata, spec, status }, at) => [
      metadata.name,
      mine[at]?.role ?? "",
      ...DIMENSIONS.map(({ key, text }) => `${text(status.given[key])} of ${text(spec.quota[key])}`),
    ]);
    return table(rows, ["TEAM", "YOU ARE", ...DIMENSIONS.map(({ word }) => `${word.toUpperCase()} GIVEN`)]);
  });
};

export const teamsCreate: Run = async (call) => {
  const name = call.argument("name") ?? "";
  const quota = { ...NOTHING, ...parseQuota(call.all("dimension=amount")) };
  const owner = call.option("owner");
  const body = { name, quota, ...(owner === undefined ? {} : { owner }) };
  const made = await (await call.client()).call("POST /api/v1/teams", { body });
  call.show(made, () => `Team ${name} is there, with ${quotaWords(made.spec.quota)}. Next: plim namespaces create ${name}/production`);
};

export const teamsQuota: Run = async (call) => {
  const team = call.argument("team") ?? "";
  const quota = parseQuota(call.all("dimension=amount"));
  const changed = await (await call.client()).call("PATCH /api/v1/teams/:team", { params: { team }, body: { quota } });
  call.show(changed, () => `Team ${team}: ${quotaWords(changed.spec.quota)}`);
};

export const quota: Run = async (call) => {
  const place = await placeOf(call);
  const client = await call.client();
  const [namespace, team] = await Promise.all([
    client.call(`GET ${ONE}`, { params: { ...place } }),
    client.call("GET /api/v1/teams/:team", { params: { team: place.team } }),
  ]);
  call.show({ namespace, team }, () => {
    const rows = DIMENSIONS.map(({ key, word, text }) => [
      word,
      text(namespace.status.used[key]),
      text(namespace.spec.quota[key]),
      text(Math.max(0, team.spec.quota[key] - team.status.given[key])),
    ]);
    return table(rows, [placeName(place), "USED", "QUOTA", `FREE IN TEAM ${place.team}`]);
  });
};

export const quotaSet: Run = async (call) => {
  const changes = parseQuota(call.all("dimension=amount"));
  const place = await placeOf(call);
  const dryRun = call.has("dry-run");
  const changed = await (await call.client()).call(`PATCH ${ONE}/quota`, {
    params: { ...place },
    query: { dryRun },
    body: { quota: changes },
  });
  call.show(changed, () => `${placeName(place)}${dryRun ? " would have" : ":"} ${quotaWords(changed.spec.quota)}`);
};

function placeOf(call: Call): Promise<Place> {
  const named = call.argument("namespace");
  return named === undefined ? call.place() : resolvePlace(named, call.client);
}

const DIMENSIONS = [
  { key: "cpuMillis", word: "cpu", text: (amount: number) => String(amount / 1_000) },
  { key: "memoryBytes", word: "memory", text: memory },
  { key: "instances", word: "instances", text: String },
  { key: "builds", word: "builds", text: String },
] as const satisfies readonly { key: keyof QuotaVector; word: string; text: (amount: number) => string }[];

function quotaWords(vector: QuotaVector): string {
  return DIMENSIONS.map(({ key, word, text }) => `${word} ${text(vector[key])}`).join(", ");
}

/** `cpu=1.5 memory=3GiB instances=4 builds=2` as a quota vector's fields. */
export function parseQuota(changes: readonly string[]): Partial<QuotaVector> {
  return Object.assign({}, ...changes.map(parseDimension));
}

function parseDimension(text: string): Partial<QuotaVector> {
  const [, word = "", amount = ""] = /^([a-z]+)=(.+)$/.exec(text) ?? [];
  const wrong = () => usageError(`\`${text}\` is no quota; write cpu=1.5, memory=3GiB, instances=4 or builds=2.`, "quota set");
  switch (word) {
    case "cpu":
      if (!/^\d+(\.\d+)?$/.test(amount)) throw wrong();
      return { cpuMillis: Math.round(Number(amount) * 1_000) };
    case "memory": {
      const memoryBytes = parseBytes(amount);
      if (memoryBytes === undefined) throw wrong();
      return { memoryBytes };
    }
    case "instances":
    case "builds":
      if (!/^\d+$/.test(amount)) throw wrong();
      return { [word]: Number(amount) };
    default:
      throw wrong();
  }
}
