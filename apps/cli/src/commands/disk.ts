import type { DiskKind, HostDisk, NamespaceDisk } from "@plimsoll/contracts";
import type { Call, Run } from "../command.ts";
import { usageError } from "../failure.ts";
import { type Place, placeName } from "../place.ts";
import { age, plain, size, table } from "../render.ts";

/** What bytes are for, as people say it. */
const WHAT: Readonly<Record<DiskKind, string>> = {
  "base-layers": "base images",
  layers: "images",
  "build-cache": "build cache",
  "cache-mounts": "cache mounts",
  repositories: "repositories",
  instances: "written by instances",
  logs: "logs",
  scratch: "half-made",
  unused: "in nobody's use",
  platform: "the platform's own",
  foreign: "not Plimsoll's",
};

export const disk: Run = async (call) => {
  const host = call.option("host");
  if (host !== undefined && call.has("hosts")) throw usageError("Either one host or all of them.", "disk");
  const client = await call.client();
  if (host !== undefined) {
    const one = await client.call("GET /api/v1/hosts/:host/disk", { params: { host } });
    return call.show(one, () => hostText(one));
  }
  if (call.has("hosts")) {
    const { items } = await client.call("GET /api/v1/disks", {});
    return call.show(items, () => hostsText(items));
  }
  const place = await call.place();
  const { team, namespace } = place;
  const mine = await client.call("GET /api/v1/namespaces/:team/:namespace/disk", { params: { team, namespace } });
  call.show(mine, () => namespaceText(place, mine));
};

export const diskClean: Run = async (call: Call) => {
  if (!call.has("cache"))
    throw usageError("Say what is to go: --cache, the build cache. Nothing else can be removed this way.", "disk clean");
  const { team, namespace } = await call.place();
  const client = await call.client();
  const cleaned = await client.call("DELETE /api/v1/namespaces/:team/:namespace/build-cache", { params: { team, namespace } });
  call.show(cleaned, () => {
    const where = cleaned.hosts.length === 0 ? "every host" : cleaned.hosts.map(plain).join(", ");
    return `The build cache of ${placeName({ team, namespace })} goes on ${where}: ${size(cleaned.bytes)} as last counted. The next builds run every step; what releases need stays.`;
  });
};

/** What a namespace has, by what it is for and by app. */
export function namespaceText(place: Place, { bytes, sharedBytes, hosts, rows }: NamespaceDisk): string {
  if (hosts.length === 0)
    return `${placeName(place)} has nothing on any disk, as far as the hosts have told; they count every five minutes.`;
  const shared = sharedBytes === 0 ? "" : `; ${size(sharedBytes)} more are shared with other namespaces`;
  const counted = hosts.map(({ name, measuredAt }) => `${plain(name)} ${age(measuredAt)} ago`).join(", ");
  return [
    `${placeName(place)} has ${size(bytes)}${shared}. Counted: ${counted}.`,
    "",
    table(
      rows.map((row) => [
        WHAT[row.kind],
        row.apps.map(plain).join(" "),
        plain(row.host),
        `${size(row.bytes)}${row.shared ? "   shared" : ""}`,
      ]),
      ["WHAT", "APPS", "HOST", "SIZE"],
    ),
  ].join("\n");
}

/** Whose the bytes of a host are. */
export function hostText(host: HostDisk): string {
  if (host.measuredAt === undefined) return `${plain(host.host)} has not told what is on its disk; it counts every five minutes.`;
  const { bytes, freeBytes, sizeBytes, cacheBytes, measuredAt } = host;
  return [
    `${plain(host.host)}: ${size(bytes)} under Plimsoll's directory, ${size(freeBytes)} of ${size(sizeBytes)} free. Build cache at most ${size(cacheBytes)}. Counted ${age(measuredAt)} ago.`,
    "",
    table(
      host.rows.map((row) => [WHAT[row.kind], row.owners.map(ownerText).join(", "), String(row.items), size(row.bytes)]),
      ["WHAT", "WHOSE", "COUNT", "SIZE"],
    ),
  ].join("\n");
}

function ownerText({ namespace, apps }: HostDisk["rows"][number]["owners"][number]): string {
  return plain(apps.length === 0 ? namespace : `${namespace} (${apps.join(" ")})`);
}

/** All hosts, each with what it has most of. */
export function hostsText(hosts: readonly HostDisk[]): string {
  const rows = hosts.map(({ host, measuredAt, bytes, freeBytes, sizeBytes, rows: parts }) => {
    const sum = (...kinds: DiskKind[]) => size(parts.reduce((total, row) => total + (kinds.includes(row.kind) ? row.bytes : 0), 0));
    if (measuredAt === undefined) return [plain(host), "not counted yet", "", "", "", ""];
    return [
      plain(host),
      size(bytes),
      sum("base-layers", "layers"),
      sum("build-cache", "cache-mounts", "repositories"),
      sum("foreign"),
      `${size(freeBytes)} of ${size(sizeBytes)}`,
    ];
  });
  return table(rows, ["HOST", "ALL", "IMAGES", "BUILDS", "NOT OURS", "FREE"]);
}
