import { readFileSync, realpathSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { minimalEnv, run, start } from "@plimsoll/exec";
import { entry, writeOciImage } from "../registry/oci-layout.ts";
import { until } from "./steps.ts";

const START_TIMEOUT_MS = 30_000;
const COPY_TIMEOUT_MS = 180_000;

export interface Mirror {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * A registry on this machine's loopback that has the image which the sample app asks for: Node and BusyBox, nothing else, as all that is read in
 * an emulated machine is slow there. The platform takes it for a mirror of docker.io.
 */
export async function startMirror(directory: string, port: number): Promise<Mirror> {
  const home = join(directory, "mirror");
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true });
  const config = join(home, "config.yml");
  await writeFile(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${home}/data}}\nhttp: {addr: 127.0.0.1:${port}}\n`,
  );
  const registry = await start(["docker-registry", "serve", config], { stdio: ["ignore", "ignore", "ignore"] });
  const close = async () => {
    registry.kill("SIGKILL");
    await rm(home, { recursive: true, force: true });
  };
  try {
    await until("the mirror", START_TIMEOUT_MS, async () => {
      const asked = await run(["curl", "-s", "-o", "/dev/null", `http://127.0.0.1:${port}/v2/`], { okCodes: [0, 7] });
      return asked.code === 0 ? true : undefined;
    });
    const { directory: layout } = writeOciImage(join(home, "oci"), await nodeImage(), ["node"]);
    const argv = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", `oci:${layout}:latest`];
    await run([...argv, `docker://127.0.0.1:${port}/library/node:22`], { timeoutMs: COPY_TIMEOUT_MS, env: minimalEnv });
    return { port, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function nodeImage(): Promise<readonly Buffer[]> {
  const executable = { mode: 0o755 };
  const { stdout } = await run(["ldd", process.execPath]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path);
  const folders = new Set(["/bin", "/tmp", ...libraries.flatMap(parents)]);
  return [
    ...[...folders].sort().map((path) => entry(path.slice(1), "", { type: "directory", mode: path === "/tmp" ? 0o1777 : 0o755 })),
    entry("bin/busybox", readFileSync("/bin/busybox"), executable),
    entry("bin/sh", "", { type: "symlink", linkTarget: Buffer.from("busybox") }),
    entry("bin/node", readFileSync(process.execPath), executable),
    ...libraries.map((path) => entry(path.slice(1), readFileSync(realpathSync(path)), executable)),
  ];
}

function parents(path: string): readonly string[] {
  const parent = dirname(path);
  return parent === "/" ? [] : [...parents(parent), parent];
}
