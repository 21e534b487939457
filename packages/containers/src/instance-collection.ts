import { type Dirent, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { errorCode, removeUserNamespace } from "@plimsoll/host";
import { type InstanceRuns, logDirOf, type RunParts } from "./instance-runs.ts";
import { isName } from "./instance-state.ts";

/**
 * Removes snapshots, cgroups and logs that belong to no instance here: what crashes and reboots leave behind; nothing of those in `keep`.
 * With `keepNamespaces`, also the cgroups and user namespaces of other namespaces.
 */
export async function collectRemains(
  { layout, cgroups, records, handles }: RunParts,
  runs: InstanceRuns,
  keep: ReadonlySet<string>,
  keepNamespaces?: ReadonlySet<string>,
): Promise<void> {
  const isNobodys = (id: string) => handles.get(id) === undefined && !keep.has(id);
  records.removeTorn();
  for (const id of directoriesIn(layout.snapshotsDir)) if (isNobodys(id)) await runs.removeTree(join(layout.snapshotsDir, id));
  for (const namespace of cgroups.children("tenants")) {
    for (const id of cgroups.children(`tenants/${namespace}/run`)) {
      if (handles.get(id) === undefined) await cgroups.remove(`tenants/${namespace}/run/${id}`);
    }
    if (keepNamespaces === undefined || keepNamespaces.has(namespace)) continue;
    await cgroups.remove(`tenants/${namespace}`);
    await removeUserNamespace(layout, namespace);
  }
  for (const namespace of directoriesIn(layout.logsDir)) {
    for (const id of directoriesIn(join(layout.logsDir, namespace)))
      if (isNobodys(id)) rmSync(logDirOf(layout, namespace, id), { recursive: true, force: true });
  }
}

/** Those that can be ours: what an operator has put beside them is not. */
function directoriesIn(directory: string): readonly string[] {
  let entries: readonly Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
  return entries.filter((entry) => entry.isDirectory() && isName(entry.name)).map(({ name }) => name);
}
