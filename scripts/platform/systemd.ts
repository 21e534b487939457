import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { AppError } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import type { Layout } from "./layout.ts";

/** sd_booted(3): systemd is this machine's init. */
const BOOTED = "/run/systemd/system";
const UNITS = "etc/systemd/system";
const SOURCES = resolve(import.meta.dirname, "../../infra/systemd");
const WORKLOADS = "plimsoll-workloads.service";
/** The delegated subtree that the workloads' unit holds. */
export const WORKLOADS_CGROUP = `/system.slice/${WORKLOADS}`;
const TIMEOUT_MS = 60_000;

/**
 * Whether a start hands the supervisor to systemd: where that is init, and the start is one that an operator types (`npm start`, `npm run
 * join`); PLIMSOLL_SYSTEMD=yes or no decides otherwise. Throws `precondition_failed` for a yes without systemd. Pure.
 */
export function usesSystemd(environment: NodeJS.ProcessEnv, booted: boolean): boolean {
  switch (environment.PLIMSOLL_SYSTEMD || undefined) {
    case undefined:
      return booted && ["start", "join"].includes(environment.npm_lifecycle_event ?? "");
    case "yes":
      if (booted) return true;
      throw new AppError(
        "precondition_failed",
        "PLIMSOLL_SYSTEMD is yes, and systemd is not this machine's init; forget it by an empty value.",
      );
    case "no":
      return false;
    default:
      throw new AppError("invalid", `PLIMSOLL_SYSTEMD is \`${environment.PLIMSOLL_SYSTEMD}\`; it takes yes or no.`);
  }
}

export function isBooted(): boolean {
  return existsSync(BOOTED);
}

/**
 * The environment of a first start on a machine with systemd and cgroup v2 alone: there, systemd owns the tree, and everything of ours goes
 * below the subtree that it has delegated. An installation that has run without stays where its instances are. Pure.
 */
export function withDelegatedCgroup(
  environment: NodeJS.ProcessEnv,
  { first, systemd, unified }: { readonly first: boolean; readonly systemd: boolean; readonly unified: boolean },
): NodeJS.ProcessEnv {
  const wanted = first && systemd && unified && environment.PLIMSOLL_CGROUP_PARENT === undefined;
  return wanted ? { ...environment, PLIMSOLL_CGROUP_PARENT: WORKLOADS_CGROUP } : environment;
}

export interface UnitFacts {
  readonly layout: Pick<Layout, "root" | "dataDir" | "logsDir">;
  readonly node: string;
  readonly code: string;
}

/** The supervisor's unit file, from its source. Pure. */
export function supervisorUnit(source: string, { layout, node, code }: UnitFacts): string {
  const places: Readonly<Record<string, string>> = {
    DATA_DIR: plain(layout.dataDir),
    DATA_DIR_QUOTED: quoted(layout.dataDir),
    ROOT: plain(layout.root),
    ROOT_QUOTED: quoted(layout.root),
    NODE: program(node),
    CODE: quoted(code),
    LOG: plain(join(layout.logsDir, "supervisor.log")),
  };
  return source
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .replaceAll(/@([A-Z_]+)@/g, (word, name: string) => places[name] ?? word);
}

/** As it stands in a unit file where specifiers are expanded (systemd.unit(5)). A line break would begin another setting. */
function plain(text: string): string {
  if (/[\n\r\0]/.test(text)) throw new AppError("invalid", "A path with a line break cannot stand in a systemd unit; move the checkout.");
  return text.replaceAll("%", "%%");
}

/** systemd runs no program whose path has quotes or a backslash, however they are written. */
function program(path: string): string {
  if (/["'\\]/.test(path))
    throw new AppError("invalid", `systemd cannot run ${path}: move the checkout to a path without quotes, or set PLIMSOLL_SYSTEMD=no.`);
  return plain(path);
}

function quoted(text: string): string {
  return plain(text).replaceAll("\\", "\\\\").replaceAll('"', '\\"');
}

/** Where a unit file goes: `/`, or a directory that is to be a machine's root; paths of layouts are as that machine sees them. */
export interface UnitPlace {
  readonly machineRoot: string;
}

/** `plimsoll.service`, or one with a name of its own where another installation of this machine has that. */
export function unitName(layout: Pick<Layout, "dataDir" | "socketsDir">, { machineRoot }: UnitPlace): string {
  const path = join(machineRoot, UNITS, "plimsoll.service");
  const mine = `PLIMSOLL_DATA_DIR=${quoted(layout.dataDir)}"`;
  return !existsSync(path) || readFileSync(path, "utf8").includes(mine) ? "plimsoll.service" : `${basename(layout.socketsDir)}.service`;
}

/**
 * Writes the units and enables them, so that they come with the next boot; answers which one runs the supervisor and whether anything
 * changed. Idempotent. Nothing is started.
 */
export async function installUnits(
  facts: UnitFacts & { readonly layout: Layout },
  options: UnitPlace & { readonly delegated: boolean },
): Promise<{ readonly unit: string; readonly changed: boolean }> {
  const { layout } = facts;
  const unit = unitName(layout, options);
  const source = (name: string) => readFileSync(join(SOURCES, name), "utf8");
  const files = {
    [unit]: supervisorUnit(source("plimsoll.service"), facts),
    ...(options.delegated ? { [WORKLOADS]: source(WORKLOADS) } : {}),
  };
  const directory = join(options.machineRoot, UNITS);
  mkdirSync(directory, { recursive: true });
  mkdirSync(join(options.machineRoot, layout.logsDir), { recursive: true, mode: 0o700 });
  let changed = false;
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name);
    if (existsSync(path) && readFileSync(path, "utf8") === text) continue;
    writeFileSync(path, text, { mode: 0o644 });
    changed = true;
  }
  await systemctl(options, ["enable", "--quiet", ...Object.keys(files)]);
  return { unit, changed };
}

/** Gives the supervisor to systemd: one that runs with the same unit is left alone, any other ends and is started anew. */
export async function startUnit(unit: string, options: { readonly changed: boolean; readonly delegated: boolean }): Promise<void> {
  const here: UnitPlace = { machineRoot: "/" };
  if (options.changed) await systemctl(here, ["daemon-reload"]);
  if (options.delegated) await systemctl(here, ["start", WORKLOADS]);
  await systemctl(here, ["reset-failed", unit], [0, 1, 5]);
  await systemctl(here, [options.changed ? "restart" : "start", unit]);
}

export async function isActive(unit: string): Promise<boolean> {
  return (await run(["systemctl", "is-active", "--quiet", unit], { okCodes: [0, 3, 4] })).code === 0;
}

/** The installation comes with no boot any more. The unit of workloads stays, as other installations may use it. Idempotent. */
export async function removeUnit(layout: Layout, place: UnitPlace): Promise<"removed" | "absent"> {
  const unit = unitName(layout, place);
  const path = join(place.machineRoot, UNITS, unit);
  if (!existsSync(path)) return "absent";
  await systemctl(place, ["disable", "--quiet", unit]);
  rmSync(path, { force: true });
  if (place.machineRoot === "/") await systemctl(place, ["daemon-reload"]);
  return "removed";
}

async function systemctl({ machineRoot }: UnitPlace, args: readonly string[], okCodes: readonly number[] = [0]): Promise<void> {
  const root = machineRoot === "/" ? [] : [`--root=${machineRoot}`];
  await run(["systemctl", ...root, ...args], { timeoutMs: TIMEOUT_MS, okCodes: [...okCodes] });
}
