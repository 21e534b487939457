import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { AppError, type Digest, type Image, PackageList } from "@plimsoll/core";
import { minimalEnv, start } from "@plimsoll/exec";
import type { LayerStore } from "../layer-store.ts";
import type { LayerDirectory } from "./protocol.ts";
import type { LayerRecord } from "./read-layer.ts";

const PROGRAM = fileURLToPath(new URL("./sbom-main.ts", import.meta.url));
/** Of what layers tell: a new reader makes new ones. */
const RECORD = "packages-1.json.gz";
/** Its own limits end it long before; this is for a disk that hangs. */
const TIMEOUT_MS = 10 * 60_000;
const MEMORY_MIB = 512;
const MOST_OUTPUT_BYTES = 32 * 1024 ** 2;
const STDERR_KEPT = 4_000;

export interface ListOptions {
  readonly signal: AbortSignal;
  /** The program died, with its last words: for the operator. */
  readonly onDied: (words: string) => void;
  /** For tests: what the program may take. */
  readonly memoryMib?: number;
}

/**
 * The packages that an image holds. Each layer is read once on a host, whatever images it is part of; only layers that no list needed
 * before cost something. A program of its own reads them, behind everything else that wants the processor: a layer that it dies of
 * gives a note. The image's layers must be here and stay meanwhile. Idempotent; throws what AbortSignal's reason is when aborted.
 */
export async function listImagePackages(layers: LayerStore, image: Pick<Image, "layers">, options: ListOptions): Promise<PackageList> {
  const digests = image.layers.map(({ digest }) => digest);
  const directories = digests.map((digest): LayerDirectory => ({ dir: layers.dirOf(digest), recordPath: layers.noteOf(digest, RECORD) }));
  // Each time that it dies, one layer more has its record.
  for (let tries = 0; tries <= directories.length; tries++) {
    const { output, diedOf, how } = await listOnce(directories, options);
    if (output !== undefined) return PackageList.parse(JSON.parse(output));
    const died = diedOf === undefined ? undefined : directories[diedOf];
    const digest = diedOf === undefined ? undefined : digests[diedOf];
    if (died === undefined || digest === undefined)
      return { packages: [], notes: [`Its packages could not be listed: the program that lists them ${how}.`] };
    writeUnreadable(died, digest, how);
  }
  throw new AppError("internal", "an image's packages were not listed although every layer was passed over");
}

function writeUnreadable({ recordPath }: LayerDirectory, digest: Digest, how: string): void {
  const note = `The layer ${digest.slice(0, 19)}… could not be read: the program that reads it ${how}. Its packages are missing here.`;
  const record: LayerRecord = { files: [], notes: [note] };
  writeFileSync(recordPath, gzipSync(JSON.stringify(record)), { mode: 0o600 });
}

interface Ending {
  readonly output?: string;
  /** The layer, by its place, that it was reading when it died. */
  readonly diedOf?: number;
  readonly how: string;
}

async function listOnce(directories: readonly LayerDirectory[], { signal, onDied, memoryMib = MEMORY_MIB }: ListOptions): Promise<Ending> {
  signal.throwIfAborted();
  const node = [process.execPath, `--max-old-space-size=${memoryMib}`, "--disable-warning=ExperimentalWarning", PROGRAM];
  const child = await start(["nice", "-n", "19", ...node], { stdio: ["pipe", "pipe", "pipe"], env: minimalEnv, cwd: "/" });
  let how = "ended without an answer";
  const kill = (why: string) => {
    how = why;
    child.kill("SIGKILL");
  };
  const onAbort = () => kill("was stopped");
  signal.addEventListener("abort", onAbort);
  const timer = setTimeout(() => kill(`did not end within ${TIMEOUT_MS / 60_000} minutes`), TIMEOUT_MS);
  const chunks: Buffer[] = [];
  let bytes = 0;
  let said = "";
  let layer: number | undefined;
  child.stdout?.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MOST_OUTPUT_BYTES) kill("said too much");
    else chunks.push(chunk);
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-STDERR_KEPT);
    const begun = [...said.matchAll(/^(?:layer (\d+)|all read)$/gm)].at(-1);
    if (begun !== undefined) layer = begun[1] === undefined ? undefined : Number(begun[1]);
  });
  child.stdin?.on("error", () => undefined); // Its end is what tells.
  child.stdin?.end(JSON.stringify(directories));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearTimeout(timer);
  signal.removeEventListener("abort", onAbort);
  signal.throwIfAborted();
  if (code === 0) return { output: Buffer.concat(chunks).toString("utf8"), how };
  if (/heap out of memory|heap limit/.test(said)) how = "needed more memory than it may take";
  onDied(`${how}: ${said.trim()}`);
  return { how, ...(layer === undefined ? {} : { diedOf: layer }) };
}
