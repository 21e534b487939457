import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import type { CgroupDriver, HostLayout } from "@plimsoll/host";
import { INSTANCE_CAPABILITIES } from "./capabilities.ts";
import { etcFiles } from "./etc-files.ts";
import { containerIdOf, type InstanceDefinition } from "./instance-state.ts";
import type { LauncherCommand } from "./launcher-protocol.ts";
import { CURRENT_LOG, type LogPolicy } from "./log-files.ts";
import { mergeEnv } from "./oci-spec.ts";
import { openFilesLimit } from "./open-files-limit.ts";
import type { OciSeccomp } from "./seccomp.ts";
import { INIT_BINARY, INIT_PATH } from "./snapshot-launch.ts";

/** What a launch needs to know beside the definition. */
export interface LaunchPlace {
  readonly layout: HostLayout;
  readonly cgroups: CgroupDriver;
  readonly seccomp: OciSeccomp;
  readonly logs: LogPolicy;
  /** Directories of the image's layers, bottom first. */
  readonly layers: readonly string[];
  readonly run: number;
  readonly bundleDir: string;
  readonly logDir: string;
}

/** Where a run's upper directory (`fs`) and overlay's work directory (`work`) lie. */
export function snapshotDir(layout: HostLayout, id: string, run: number): string {
  return join(layout.snapshotsDir, id, String(run));
}

/** The launcher's order for one run of an instance. Pure but for this process's own limits. Throws AppError `invalid`. */
export function launchCommand(definition: InstanceDefinition, place: LaunchPlace, start: boolean): LauncherCommand {
  const { layout, bundleDir } = place;
  const { config } = definition.image;
  const files = etcFiles(definition);
  const snapshot = snapshotDir(layout, definition.id, place.run);
  return {
    kind: "launch",
    start,
    bundle: {
      layout,
      bundleDir,
      layers: place.layers,
      upperDir: join(snapshot, "fs"),
      workDir: join(snapshot, "work"),
      user: config.user,
      files: { "/etc/hosts": files.hosts, "/etc/hostname": files.hostname, "/etc/resolv.conf": files["resolv.conf"] },
      container: {
        hostname: definition.hostname,
        // -g: signals reach the whole process group of the program, as from a terminal.
        args: [INIT_PATH, "-g", "--", ...commandOf(definition)],
        env: mergeEnv(config.env, pairs(definition.env), pairs(definition.secretEnv)),
        cwd: config.workingDir === "" ? "/" : config.workingDir,
        capabilities: INSTANCE_CAPABILITIES,
        noNewPrivileges: true,
        seccomp: place.seccomp,
        userNamespace: definition.userNamespace,
        networkNamespace: definition.networkNamespace,
        cgroupsPath: place.cgroups.ociPath(cgroupOf(definition)),
        binds: [{ source: INIT_BINARY, destination: INIT_PATH, readOnly: true }],
        openFiles: openFilesLimit(),
      },
    },
    monitor: {
      containerId: containerIdOf(definition.id, place.run),
      bundleDir,
      exitsDir: layout.exitsDir,
      crunDir: layout.crunDir,
      // While the agent is away nobody rotates: then this is the cap, by conmon's own lossy way.
      log: { path: join(place.logDir, CURRENT_LOG), maxBytes: place.logs.maxBytes * place.logs.keep },
    },
  };
}

export function cgroupOf(definition: InstanceDefinition): string {
  return `tenants/${definition.namespace}/run/${definition.id}`;
}

/** ENTRYPOINT stays and a command replaces CMD, as Docker has it. Throws AppError `invalid` when nothing is left to run. */
function commandOf({ image, command }: InstanceDefinition): readonly string[] {
  const args = [...image.config.entrypoint, ...(command ?? image.config.cmd)];
  if (args.length > 0) return args;
  throw new AppError("invalid", "The image has neither ENTRYPOINT nor CMD, and the process has no command: there is nothing to run.");
}

function pairs(env: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}
