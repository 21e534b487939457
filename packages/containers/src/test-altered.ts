import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { type CgroupLimits, inPrivateMountNamespace } from "@plimsoll/host";
import { INSTANCE_CAPABILITIES } from "./capabilities.ts";
import { crunArgv } from "./conmon.ts";
import { cgroupOf, launchCommand, snapshotDir } from "./instance-launch.ts";
import type { InstanceDefinition } from "./instance-state.ts";
import { DEFAULT_LOG_POLICY } from "./log-files.ts";
import { hostSeccomp, type OciSeccomp } from "./seccomp.ts";
import { makeBundle } from "./snapshot-launch.ts";
import type { TestRig } from "./test-rig.ts";

/** What of a generated config.json tests change. */
export interface GeneratedSpec {
  readonly process: {
    noNewPrivileges: boolean;
    capabilities: Record<string, readonly string[]>;
    rlimits: { readonly type: string; soft: number; hard: number }[];
  };
  readonly mounts: { readonly destination: string; readonly type: string; readonly source: string; options: string[] }[];
  readonly linux: {
    namespaces: { readonly type: string }[];
    seccomp?: OciSeccomp;
    maskedPaths: string[];
    readonlyPaths: string[];
    uidMappings?: object[];
    gidMappings?: object[];
    resources?: object;
    sysctl?: object;
  };
}

const ANY_CODE = Array.from({ length: 256 }, (_, code) => code);

/**
 * Runs an instance's program to its end in the container that production would make of the definition, but for `alter`: what was generated
 * is changed between the spec's builder and the runtime, here and nowhere else. Answers all that it said.
 */
export async function runAltered(
  rig: TestRig,
  definition: InstanceDefinition,
  limits: CgroupLimits,
  alter: (spec: GeneratedSpec) => void,
): Promise<string> {
  const { layout, cgroups, layers } = rig;
  const { id, image } = definition;
  const bundleDir = join(layout.bundlesDir, id);
  const snapshot = snapshotDir(layout, id, 1);
  const command = launchCommand(
    definition,
    {
      layout,
      cgroups,
      seccomp: hostSeccomp(INSTANCE_CAPABILITIES),
      logs: DEFAULT_LOG_POLICY,
      layers: image.layers.map(({ digest }) => layers.dirOf(digest)),
      run: 1,
      bundleDir,
      logDir: join(layout.logsDir, id),
    },
    true,
  );
  if (command.kind !== "launch") throw new Error("not a launch");
  for (const name of ["fs", "work"]) mkdirSync(join(snapshot, name), { recursive: true, mode: 0o755 });
  cgroups.ensure(cgroupOf(definition), limits);
  try {
    const { stdout, stderr } = await inPrivateMountNamespace(() => {
      makeBundle(command.bundle);
      const config = join(bundleDir, "config.json");
      const spec: GeneratedSpec = JSON.parse(readFileSync(config, "utf8"));
      alter(spec);
      writeFileSync(config, JSON.stringify(spec));
      return run(crunArgv(layout.crunDir, "run", "--bundle", bundleDir, id), { okCodes: ANY_CODE, timeoutMs: 50_000 });
    });
    return stdout + stderr;
  } finally {
    await cgroups.killAll(cgroupOf(definition));
    await run(crunArgv(layout.crunDir, "delete", "--force", id), { okCodes: [0, 1] });
    await cgroups.remove(cgroupOf(definition));
    for (const dir of [bundleDir, snapshot]) rmSync(dir, { recursive: true, force: true });
  }
}
