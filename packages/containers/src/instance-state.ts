import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { AppError, type Image } from "@plimsoll/core";
import { errorCode } from "@plimsoll/host";
import type { HostEntry, ResolverConfig } from "./etc-files.ts";

/** What an instance is. Everything but `secretEnv` may be shown. */
export interface InstanceDefinition {
  /** The instance's uid: at most 64 of [A-Za-z0-9_-]. */
  readonly id: string;
  /** The namespace's uid, of the same letters. */
  readonly namespace: string;
  readonly image: Image;
  /** Replaces the image's CMD; its ENTRYPOINT stays, as with arguments of `docker run`. */
  readonly command?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Kept on the root-only tmpfs and nowhere else. */
  readonly secretEnv: Readonly<Record<string, string>>;
  readonly limits: { readonly cpuMillis: number; readonly memoryBytes: number; readonly pids: number };
  readonly userNamespace: { readonly path: string; readonly uidBase: number };
  /** Path of the network namespace, a child of the user namespace; the runtime neither makes nor removes it. */
  readonly networkNamespace: string;
  readonly hostname: string;
  readonly hosts: readonly HostEntry[];
  readonly resolver: ResolverConfig;
  /** From the stop signal to the kill. */
  readonly stopGraceMs: number;
}

/** How a run ended. */
export interface RunExit {
  /** As a shell sees it: 128 + signal when a signal ended it. */
  readonly code: number;
  readonly signal?: string;
  /** The kernel killed a process of it at its memory limit. */
  readonly outOfMemory: boolean;
  /** Starts of processes and threads that were refused to it at its limit; absent: none. */
  readonly startsRefused?: number;
  /** Its monitor died, and the status with it; the instance was killed. */
  readonly monitorLost: boolean;
  readonly at: string;
}

/** What the runtime must remember of an instance that the kernel does not tell. */
export interface InstanceState {
  readonly run: number;
  readonly startedAt?: string;
  /** It was told to end: its exit is no failure. */
  readonly stopping: boolean;
  readonly exited: boolean;
  readonly failuresInRow: number;
  readonly lastExit?: RunExit;
}

/**
 * Records of instances on the root-only tmpfs: they are gone after a reboot, as the instances are, and take secrets with them.
 *
 *     <id>/definition.json
 *     <id>/state.json        written last: an instance exists when this does
 *     <id>/run-<n>/          the bundle of a run
 */
export class InstanceRecords {
  readonly #root: string;

  constructor(bundlesDir: string) {
    this.#root = bundlesDir;
  }

  bundleDir(id: string, run: number): string {
    return join(this.#root, id, `run-${run}`);
  }

  create(definition: InstanceDefinition, state: InstanceState): void {
    checkName(definition.id);
    checkName(definition.namespace);
    mkdirSync(join(this.#root, definition.id), { recursive: true, mode: 0o700 });
    this.#write(definition.id, "definition.json", definition);
    this.update(definition.id, state);
  }

  update(id: string, state: InstanceState): void {
    this.#write(id, "state.json", state);
  }

  ids(): readonly string[] {
    return readdirSync(this.#root).filter((name) => existsSync(join(this.#root, name, "state.json")));
  }

  /** Undefined when there is none. */
  read(id: string): { readonly definition: InstanceDefinition; readonly state: InstanceState } | undefined {
    try {
      return {
        definition: JSON.parse(readFileSync(join(this.#root, id, "definition.json"), "utf8")),
        state: JSON.parse(readFileSync(join(this.#root, id, "state.json"), "utf8")),
      };
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** State first: what is cut off in the middle is no instance any more. */
  remove(id: string): void {
    rmSync(join(this.#root, id, "state.json"), { force: true });
    rmSync(join(this.#root, id), { recursive: true, force: true });
  }

  /** Directories without a state: cut off while being made or removed. */
  removeTorn(): void {
    for (const name of readdirSync(this.#root)) {
      if (!name.startsWith(".") && !existsSync(join(this.#root, name, "state.json"))) this.remove(name);
    }
  }

  #write(id: string, name: string, value: unknown): void {
    const temporary = join(this.#root, id, `.${name}`);
    writeFileSync(temporary, JSON.stringify(value), { mode: 0o600 });
    renameSync(temporary, join(this.#root, id, name));
  }
}

/** Every run is a container of its own, so that no file of one run can be taken for another's. */
export function containerIdOf(id: string, run: number): string {
  return `${id}.${run}`;
}

export function parseContainerId(containerId: string): { readonly id: string; readonly run: number } | undefined {
  const match = /^([A-Za-z0-9_-]+)\.(\d+)$/.exec(containerId);
  return match?.[1] === undefined ? undefined : { id: match[1], run: Number(match[2]) };
}

/** The signal that a shell's exit code stands for. */
export function signalOf(code: number): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0];
}

/** Ids become file, cgroup and container names. */
export function checkName(name: string): void {
  if (!isName(name)) throw new AppError("invalid", `${JSON.stringify(name)} is no id of ours.`);
}

export function isName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(name);
}
