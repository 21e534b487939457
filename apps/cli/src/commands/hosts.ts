import type { HostLoad } from "@plimsoll/contracts";
import type { Call, Run } from "../command.ts";
import { usageError } from "../failure.ts";
import { memory, plain, state, table } from "../render.ts";

const ROLES = ["build", "run", "ingress"] as const;

export const hosts: Run = async (call) => {
  const client = await call.client();
  const [{ items }, loads] = await Promise.all([client.list("GET /api/v1/hosts", {}), client.call("GET /api/v1/host-loads", {})]);
  const load = new Map(loads.items.map((one) => [one.host, one]));
  call.show(items, () => {
    const rows = items.map(({ metadata, spec, status }) => [
      metadata.name,
      `${state(status.phase)}${spec.schedulable ? "" : ", takes nothing new"}`,
      spec.roles.join(" "),
      `${spec.capacity.cpuMillis / 1_000} cpu, ${memory(spec.capacity.memoryBytes)}`,
      promised(load.get(metadata.name)),
      spec.underlay,
      plain([status.message, unmeasured(spec.roles, status.facts)].filter((one) => one !== undefined).join("; ")),
    ]);
    return table(rows, ["HOST", "STATE", "ROLES", "FOR APPS", "IN USE", "ADDRESS", ""]);
  });
};

function promised(load: HostLoad | undefined): string {
  if (load === undefined) return "–";
  const running = `${load.instances} instances${load.builds === 0 ? "" : `, ${load.builds} builds`}`;
  return `${load.cpuMillis / 1_000} cpu, ${memory(load.memoryBytes)} (${running})`;
}

/** A host that can hold back no build says so. */
function unmeasured(roles: readonly string[], facts: Readonly<Record<string, string>>): string | undefined {
  if (!roles.includes("build") || facts.pressure !== "not measured") return undefined;
  return "no build is held back here: its kernel measures no pressure (boot it with psi=1)";
}

export const hostsAdd: Run = async (call) => {
  const roles = call.all("role").map((role) => {
    const known = ROLES.find((one) => one === role);
    if (known === undefined) throw usageError(`There is no role \`${role}\`: ${ROLES.join(", ")}.`, "hosts add");
    return known;
  });
  const name = call.option("name");
  const body = { ...(roles.length === 0 ? {} : { roles }), ...(name === undefined ? {} : { name }) };
  const made = await (await call.client()).call("POST /api/v1/host-tokens", { body });
  call.note("Run this on the new host as root, within a day; it works once:");
  call.show(made, () => `\n  ${made.command}\n`);
};

export const hostsClose: Run = (call) => setSchedulable(call, false);
export const hostsOpen: Run = (call) => setSchedulable(call, true);

async function setSchedulable(call: Call, schedulable: boolean): Promise<void> {
  const host = call.argument("host") ?? "";
  const changed = await (await call.client()).call("PATCH /api/v1/hosts/:host", { params: { host }, body: { schedulable } });
  call.show(changed, () =>
    schedulable
      ? `${host} is open: it takes what is placed on it.`
      : `${host} is closed: it takes nothing new, and what runs there moves to other hosts. When it is empty: plim hosts remove ${host}`,
  );
}

export const hostsRemove: Run = async (call) => {
  const host = call.argument("host") ?? "";
  await (await call.client()).call("DELETE /api/v1/hosts/:host", { params: { host }, query: { force: call.has("force") } });
  call.show(
    { removed: host },
    () => `${host} is removed, and nothing on it opens the platform any more. On the machine itself: npm stop -- --all`,
  );
};
