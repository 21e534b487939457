import { setTimeout as rest } from "node:timers/promises";
import type { ImagePackages } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core/errors";
import type { Call, Run } from "../command.ts";
import { usageError } from "../failure.ts";
import { parseNumbered } from "../input.ts";
import { plain, table } from "../render.ts";

const NAMESPACE = "GET /api/v1/namespaces/:team/:namespace";
/** Its host lists them right after the build; a large image takes a while. */
const WAIT_MS = 120_000;
const ASK_AGAIN_MS = 1_000;

export const sbom: Run = async (call) => {
  if (call.has("json") && call.has("cyclonedx")) throw usageError("Either --json or --cyclonedx.", "sbom");
  const type = call.option("type");
  const { named, read } = await imageOf(call);
  const packages = await listed(call, named, read);
  // One document, whatever is asked of tables.
  if (call.has("cyclonedx")) return call.print(JSON.stringify(await read("cyclonedx"), null, 2));
  const shown = type === undefined ? packages : { ...packages, packages: packages.packages.filter((one) => one.type === type) };
  if (call.has("json")) return call.print(JSON.stringify(shown, null, 2));
  call.show(shown, () => sbomText(named, shown, type));
};

type Read = (format: "json" | "cyclonedx") => Promise<ImagePackages>;

/** The image that is meant: of a build, of a release by its number, or of the release that is live. */
async function imageOf(call: Call): Promise<{ readonly named: string; readonly read: Read }> {
  const [release, build] = [call.argument("release"), call.option("build")];
  if (release !== undefined && build !== undefined) throw usageError("Either a release or a build.", "sbom");
  const wanted = release === undefined ? undefined : parseNumbered(release, "release", "v");
  const { app, ...params } = await call.app(wanted?.app ?? call.option("app"));
  const client = await call.client();
  if (build !== undefined) {
    const name = `${app}-b${parseNumbered(build, "build", "b").number}`;
    return {
      named: name,
      read: (format) => client.call(`${NAMESPACE}/builds/:name/packages`, { params: { ...params, name }, query: { format } }),
    };
  }
  const number = wanted?.number ?? (await client.call(`${NAMESPACE}/apps/:name`, { params: { ...params, name: app } })).status.release;
  if (number === undefined)
    throw new AppError("not_found", `${app} has no live release; name one (plim releases ${app}), or a build: plim sbom --build 12.`);
  const name = `${app}-v${number}`;
  return {
    named: name,
    read: (format) => client.call(`${NAMESPACE}/releases/:name/packages`, { params: { ...params, name }, query: { format } }),
  };
}

async function listed(call: Call, named: string, read: Read): Promise<ImagePackages> {
  const untilMs = Date.now() + WAIT_MS;
  for (let told = false; ; told = true) {
    const packages = await read("json");
    if (packages.state === "listed") return packages;
    if (packages.state === "unknown")
      throw new AppError("not_found", `The packages of ${named} were not listed; build it again, and its host lists them.`);
    if (Date.now() > untilMs)
      throw new AppError(
        "unavailable",
        `The packages of ${named} are not listed yet: the host that built it has not answered. Ask again later.`,
      );
    if (!told) call.note(`The host that built ${named} is listing its packages …`);
    await rest(ASK_AGAIN_MS, undefined, { signal: call.signal });
  }
}

/** What an image holds, as a table under one line that sums it up. */
export function sbomText(named: string, { packages, notes, counts, distribution, lookedFor }: ImagePackages, type?: string): string {
  const remarks = notes.length === 0 ? [] : ["", ...notes.map((note) => `Note: ${plain(note)}`)];
  if (packages.length === 0) {
    const kind = type === undefined ? "packages were" : `package of the kind ${plain(type)} was`;
    const looked = lookedFor.map(({ type: kindOf, what }) => [`  ${kindOf}`, what]);
    return [`No ${kind} found in ${named}. What was looked for:`, "", table(looked), ...remarks].join("\n");
  }
  const sum = counts.map(({ type: kind, count }) => `${count} ${kind}`).join(", ");
  const rows = packages.map((one) => [
    one.type,
    plain(one.name),
    plain(one.version) || "–",
    plain(one.license ?? "") || "–",
    `${plain(one.paths[0] ?? "")}${more(one.paths.length - 1 + (one.morePaths ?? 0))}`,
  ]);
  return [
    [named, ...(distribution === undefined ? [] : [plain(distribution)]), sum].join("   "),
    "",
    table(rows, ["TYPE", "NAME", "VERSION", "LICENCE", "WHERE"]),
    ...remarks,
  ].join("\n");
}

function more(count: number): string {
  return count === 0 ? "" : ` and ${count} more`;
}
