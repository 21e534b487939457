/**
 * From a fresh clone on a fresh Debian to a program of ours on Node 24: `bootstrap.mjs start|test|… [arguments]`. Runs on the
 * Node that the machine has (20 or newer) and imports nothing but Node. Checks first and changes nothing until all of them pass;
 * does only what is missing, so a second run takes well under a second.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  compileCacheOf,
  hashSources,
  installNpmPackages,
  nodeDirectory,
  npmPackagesInstalled,
  whenChanged,
} from "./bootstrap/checkout.mjs";
import { findProblems, gigabytes } from "./bootstrap/checks.mjs";
import { HOST_PACKAGES, installPackages, missingPackages, RUNTIME_PACKAGES, TEST_PACKAGES } from "./bootstrap/debian.mjs";
import { readMachine } from "./bootstrap/machine.mjs";
import { linkPlim } from "./bootstrap/plim-link.mjs";
import { runLogged } from "./bootstrap/program.mjs";
import { createProgress } from "./bootstrap/progress.mjs";

/** @typedef {import("./bootstrap/machine.mjs").Machine} Machine */

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
const dataDir = resolve(process.env.PLIMSOLL_DATA_DIR || join(root, ".plimsoll"));
/** Where plim becomes a command. */
const binDir = resolve(process.env.PLIMSOLL_BIN_DIR || "/usr/local/bin");
/** What each mode runs, and what it needs of Debian. */
const PROGRAMS = Object.freeze({
  start: "scripts/start.ts",
  dev: "scripts/dev.ts",
  join: "scripts/join.ts",
  test: "scripts/test.ts",
  chaos: "test/chaos/main.ts",
  conformance: "test/conformance/main.ts",
  vm: "test/vm/main.ts",
  bench: "test/bench/main.ts",
});
const MODES = Object.freeze({ start: RUNTIME_PACKAGES, dev: RUNTIME_PACKAGES, join: HOST_PACKAGES });
/** What the code that runs is made of: a change of it makes the next start replace the processes. */
const CODE = ["apps/server", "apps/agent", "packages", "scripts", "prisma", "package-lock.json"];
const LONG_RUNNING = ["apps/server/src/main.ts", "apps/agent/src/main.ts", "scripts/supervise.ts"];
const PORTAL_SOURCES = ["apps/portal", "packages/core", "packages/contracts", "package-lock.json"];

/** @param {string} mode @param {readonly string[]} args */
async function main(mode, args) {
  const known = /** @type {keyof typeof PROGRAMS} */ (mode);
  const program = PROGRAMS[known];
  if (program === undefined) throw new Error(`bootstrap.mjs ${Object.keys(PROGRAMS).join("|")}`);
  const testing = !(mode in MODES);
  const packages = testing ? { ...RUNTIME_PACKAGES, ...TEST_PACKAGES } : MODES[/** @type {keyof typeof MODES} */ (mode)];
  // What a benchmark prints may be read by a program.
  const out = mode === "bench" ? process.stderr : process.stdout;
  const progress = createProgress(out);
  const ports = testing ? [] : chosenPorts().filter(({ setting }) => mode !== "join" || setting === "PLIMSOLL_HTTP_PORT");
  const machine = readMachine({ dataDir: testing ? root : dataDir, ports });
  out.write(`${title(machine)}\n\n`);

  const problems = findProblems(machine);
  if (problems.length > 0) {
    for (const problem of problems) out.write(`  ✖ ${problem}\n`);
    out.write("\n  Nothing was changed.\n");
    return 1;
  }
  progress.done("checked", checkedText(machine));

  // The checks allow it from here on.
  const logPath = join(testing ? join(root, "node_modules/.plimsoll") : join(dataDir, "logs"), "bootstrap.log");
  const missing = await missingPackages(Object.keys(packages));
  if (missing.length === 0) progress.done("packages", "all there");
  else {
    await progress.step("packages", `installing ${missing.length} from Debian: ${missing.join(" ")}`, async () => {
      await installPackages(missing, { logPath });
      return { said: `${missing.length} from Debian: ${missing.join(" ")}`, value: undefined };
    });
  }
  await progress.step("build", "", async (step) => {
    const did = await build({ logPath, control: mode !== "join", portal: mode === "start" || testing, say: step.update });
    const plim = testing || mode === "join" ? "unchanged" : linkPlim({ root, binDir });
    if (plim === "linked") did.push(`${binDir}/plim`);
    if (plim === "foreign") did.push(`${binDir}/plim is not this checkout's and was left: ${root}/scripts/plim is`);
    return { said: did.length === 0 ? "unchanged" : did.join(", "), value: undefined };
  });
  return runOnNode24(program, args);
}

/** @param {{ logPath: string, control: boolean, portal: boolean, say: (text: string) => void }} options */
async function build({ logPath, control, portal: withPortal, say }) {
  /** @type {string[]} */
  const did = [];
  if (!npmPackagesInstalled(root)) {
    say("npm packages and Node 24");
    await installNpmPackages(root, { logPath });
    did.push("npm packages, Node 24");
  }
  const node = join(nodeDirectory(root), "bin", "node");
  if (control) {
    say([...did, "database client"].join(", "));
    const generated = await whenChanged({
      root,
      name: "database-client",
      sources: ["prisma/schema.prisma", "package-lock.json"],
      output: join(root, "packages/db/src/generated"),
      // Its schema engine is a download that generating does not need; any program that exists will do.
      work: () =>
        runLogged([node, "node_modules/prisma/build/index.js", "generate"], {
          cwd: root,
          logPath,
          env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: "/bin/true", PRISMA_HIDE_UPDATE_MESSAGE: "1", CHECKPOINT_DISABLE: "1" },
        }),
    });
    if (generated === "done") did.push("database client");
  }
  const portal = join(root, "apps/portal");
  if (withPortal && existsSync(join(portal, "src/app"))) {
    say([...did, "portal"].join(", "));
    const built = await whenChanged({
      root,
      name: "portal",
      sources: PORTAL_SOURCES,
      output: join(portal, ".next/BUILD_ID"),
      work: () =>
        runLogged([node, join(root, "node_modules/next/dist/bin/next"), "build"], {
          cwd: portal,
          logPath,
          env: { ...process.env, NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1" },
        }),
    });
    if (built === "done") did.push("portal");
  }
  await whenChanged({
    root,
    name: "compile-cache",
    sources: CODE,
    output: compileCacheOf(root),
    work: async () => {
      say([...did, "compile cache"].join(", "));
      await fillCompileCache(node, control ? LONG_RUNNING : ["apps/agent/src/main.ts", "scripts/supervise.ts"], logPath);
    },
  });
  return did;
}

/**
 * A program that ends at its missing settings has loaded all of itself by then, and Node writes its cache at an end: what runs for
 * months would otherwise never profit from it.
 * @param {string} node
 * @param {readonly string[]} programs
 * @param {string} logPath
 */
async function fillCompileCache(node, programs, logPath) {
  const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCacheOf(root) };
  for (const program of programs) await runLogged([node, program], { cwd: root, logPath, env }).catch(() => undefined);
}

/**
 * Hands over to a program on Node 24, terminal and signals included, and answers its exit code.
 * @param {string} program
 * @param {readonly string[]} args
 * @returns {Promise<number>}
 */
function runOnNode24(program, args) {
  const env = {
    ...process.env,
    PATH: `${join(root, "node_modules/.bin")}:${process.env.PATH}`,
    NODE_COMPILE_CACHE: compileCacheOf(root),
    PLIMSOLL_DATA_DIR: dataDir,
    PLIMSOLL_CODE: hashSources(root, CODE),
    PLIMSOLL_PORTAL_CODE: hashSources(root, PORTAL_SOURCES),
  };
  const child = spawn(join(nodeDirectory(root), "bin", "node"), [join(root, program), ...args], { cwd: root, env, stdio: "inherit" });
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

function chosenPorts() {
  const recorded = join(dataDir, "run/wanted.json");
  const last = existsSync(recorded) ? JSON.parse(readFileSync(recorded, "utf8")) : {};
  return [
    { port: Number(process.env.PLIMSOLL_HTTP_PORT || last.httpPort || 8080), setting: "PLIMSOLL_HTTP_PORT" },
    { port: Number(process.env.PLIMSOLL_SSH_PORT || last.sshPort || 2222), setting: "PLIMSOLL_SSH_PORT" },
  ];
}

/** @param {Machine} machine */
function title({ system, cores, memoryBytes, cgroups, kernelRelease }) {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const kernel = kernelRelease.split(".").slice(0, 2).join(".");
  return `Plimsoll ${version} on ${system.name}, ${cores} cores, ${gigabytes(memoryBytes)}, cgroup ${cgroups.version}, kernel ${kernel}`;
}

/** @param {Machine} machine */
function checkedText({ ports, freeBytes }) {
  const numbers = ports.length === 0 ? "" : ` ports ${ports.map(({ port }) => port).join(" ")},`;
  return `root, kernel features,${numbers} ${gigabytes(freeBytes)} free`;
}

main(process.argv[2] ?? "", process.argv.slice(3)).then(
  (code) => process.exit(code),
  (error) => {
    process.stdout.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
