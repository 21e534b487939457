import { type BuildLimits, DEFAULT_BUILD_DISK } from "@plimsoll/core";
import type { Call, Run } from "../command.ts";
import { usageError } from "../failure.ts";
import { parseBytes } from "../input.ts";
import { type Place, placeName, resolvePlace } from "../place.ts";
import { memory, table } from "../render.ts";

const ONE = "/api/v1/namespaces/:team/:namespace";

interface Limit {
  readonly word: string;
  readonly key: keyof BuildLimits;
  readonly about: string;
  readonly text: (amount: number) => string;
  /** Undefined for what is no amount. */
  readonly parse: (text: string) => number | undefined;
}

const whole = (text: string) => (/^\d{1,9}$/.test(text) ? Number(text) : undefined);

const LIMITS: readonly Limit[] = [
  {
    word: "cpu",
    key: "cpuMillis",
    about: "processors",
    text: (amount) => String(amount / 1_000),
    parse: (text) => (/^\d+(\.\d+)?$/.test(text) ? Math.round(Number(text) * 1_000) : undefined),
  },
  { word: "memory", key: "memoryBytes", about: "or as plimsoll.yaml says, up to the memory quota", text: memory, parse: parseBytes },
  { word: "disk", key: "diskBytes", about: "what its steps may write", text: memory, parse: parseBytes },
  { word: "files", key: "diskFiles", about: "files and directories they may make", text: String, parse: whole },
  { word: "pids", key: "pids", about: "processes at one time", text: String, parse: whole },
  { word: "time", key: "timeoutMs", about: "from its start", text: (ms) => `${ms / 60_000}m`, parse: parseMinutes },
  { word: "log", key: "logBytes", about: "output that is kept", text: memory, parse: parseBytes },
];

export const limits: Run = async (call) => {
  const place = await placeOf(call);
  const namespace = await (await call.client()).call(`GET ${ONE}`, { params: { ...place } });
  call.show(namespace, () => show(place, namespace.spec.build));
};

export const limitsSet: Run = async (call) => {
  const changes = parseLimits(call.all("limit=amount"));
  const place = await placeOf(call);
  const client = await call.client();
  const { spec } = await client.call(`GET ${ONE}`, { params: { ...place } });
  const changed = await client.call(`PATCH ${ONE}`, { params: { ...place }, body: { build: { ...spec.build, ...changes } } });
  call.show(changed, () => show(place, changed.spec.build));
};

function show(place: Place, build: BuildLimits): string {
  const now: Partial<Record<keyof BuildLimits, number>> = { ...DEFAULT_BUILD_DISK, ...build };
  const rows = LIMITS.map(({ word, key, text, about }) => [word, text(now[key] ?? 0), about]);
  return table(rows, [placeName(place), "ONE BUILD", ""]);
}

/** `memory=4GiB disk=16GiB time=30m` as fields of build limits. */
export function parseLimits(changes: readonly string[]): Partial<BuildLimits> {
  return Object.fromEntries(
    changes.map((change) => {
      const [, word = "", amount = ""] = /^([a-z]+)=(.+)$/.exec(change) ?? [];
      const limit = LIMITS.find((one) => one.word === word);
      const value = limit?.parse(amount);
      if (limit === undefined || value === undefined || value < 1)
        throw usageError(
          `\`${change}\` is no limit; write memory=4GiB, cpu=2, disk=16GiB, files=1000000, pids=512, time=30m or log=16MiB.`,
          "limits set",
        );
      return [limit.key, value];
    }),
  );
}

function parseMinutes(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,5})(s|m|h)$/.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * { s: 1_000, m: 60_000, h: 3_600_000 }[unit as "s" | "m" | "h"];
}

function placeOf(call: Call): Promise<Place> {
  const named = call.argument("namespace");
  return named === undefined ? call.place() : resolvePlace(named, call.client);
}
