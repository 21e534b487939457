/**
 * `npm run test:fresh`: does both commands in a freshly made Debian with Node 20 and npm and nothing else, so that a missing
 * install step shows. Root, mounts and processes are its own; the network is this machine's, and so are its ports.
 * `--keep` leaves the root directory for a look.
 */
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { errorText } from "@plimsoll/core";
import { minimalEnv, run, start } from "@plimsoll/exec";
import { addNode, NODE, NPM } from "./fresh/debian.ts";
import { readTraces, tracesAdded } from "./test/traces.ts";

const SHOWN_TRACES = 40;
const SUITE = "bookworm";
const REACH = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
const OWN_CERTIFICATES = "/usr/local/share/ca-certificates";

const checkout = resolve(import.meta.dirname, "..");

async function main(keep: boolean): Promise<number> {
  await mkdir("/var/tmp", { recursive: true });
  const work = await mkdtemp("/var/tmp/plimsoll-fresh-");
  const root = join(work, "root");
  const before = await readTraces();
  try {
    console.log(`making Debian ${SUITE} in ${root}`);
    await makeDebian(root);
    console.log(`adding ${NODE} and ${NPM}`);
    await addNode(root);
    const extra = await trustWhatWeTrust(root);
    await cloneInto(root);
    const code = await runInside(root, extra);
    const left = tracesAdded(before, await readTraces());
    if (left.length > 0) {
      const shown = left.slice(0, SHOWN_TRACES).map((trace) => `  ${trace}`);
      console.log(["", `Left behind (${left.length}):`, ...shown].join("\n"));
    }
    return code !== 0 || left.length > 0 ? 1 : 0;
  } finally {
    if (keep) console.log(`kept: ${root}`);
    else await rm(work, { recursive: true, force: true });
  }
}

async function makeDebian(root: string): Promise<void> {
  await run(["mmdebstrap", "--variant=minbase", "--include=ca-certificates", SUITE, root], { timeoutMs: 600_000, env: reach() });
  await cp("/etc/resolv.conf", join(root, "etc/resolv.conf"), { dereference: true });
}

/** A machine behind a proxy that signs for itself: its certificates go along, outside Debian's own bundle too, which packages rewrite. */
async function trustWhatWeTrust(root: string): Promise<Record<string, string>> {
  if (existsSync(OWN_CERTIFICATES)) await cp(OWN_CERTIFICATES, join(root, OWN_CERTIFICATES), { recursive: true });
  const bundle = process.env.NODE_EXTRA_CA_CERTS;
  if (bundle === undefined || !existsSync(bundle)) return {};
  const inside = "/usr/local/share/extra-certificates.pem";
  await writeFile(join(root, inside), await readFile(bundle));
  // Also for an npm that is started without our environment, as its users set it up there.
  await writeFile(join(root, "root/.npmrc"), `cafile=${inside}\n`);
  return { NODE_EXTRA_CA_CERTS: inside };
}

async function cloneInto(root: string): Promise<void> {
  const { stdout } = await run(["git", "-C", checkout, "status", "--porcelain", "--untracked-files=no"]);
  if (stdout !== "") console.log("what is not committed in this checkout is not tried");
  await run(["git", "clone", "-q", "--no-hardlinks", checkout, join(root, "root/plimsoll")], { timeoutMs: 120_000 });
  await cp(join(import.meta.dirname, "fresh/inside.sh"), join(root, "root/inside.sh"));
}

async function runInside(root: string, extra: Readonly<Record<string, string>>): Promise<number> {
  const env = { ...reach(), ...extra, PATH: minimalEnv.PATH ?? "", HOME: "/root", LANG: "C.UTF-8" };
  const assignments = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const namespaces = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--propagation", "private"];
  const argv = [...namespaces, join(import.meta.dirname, "fresh/enter.sh"), root, ...assignments, "/bin/bash", "/root/inside.sh"];
  const child = await start(argv, { env: minimalEnv, stdio: ["ignore", "inherit", "inherit"] });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => child.kill(signal));
  return new Promise((done) => child.once("close", (code) => done(code ?? 1)));
}

function reach(): Record<string, string> {
  return { ...minimalEnv, ...pick(REACH) };
}

function pick(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] ?? ""]])));
}

try {
  const { values } = parseArgs({ options: { keep: { type: "boolean", default: false } } });
  process.exitCode = await main(values.keep);
} catch (error) {
  console.error(errorText(error));
  process.exitCode = 1;
}
