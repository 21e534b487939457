import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inside } from "../cluster/index.ts";
import { type StartedPlatform, usePlatform } from "../support/platform.ts";
import { shareBaseImage } from "./base-image.ts";
import type { Lab } from "./benchmark.ts";
import { type Docker, ensureDockerInstalled, startDocker, unmountBelow } from "./docker.ts";
import { BASE } from "./fixture.ts";
import { npmStart } from "./npm-start.ts";

export interface LabOptions {
  readonly smoke: boolean;
  readonly pairs: number;
  readonly fresh: boolean;
  readonly say: (text: string) => void;
}

export interface OpenLab extends Lab {
  /** The peer's name with its version, once it runs. */
  peer(): string | undefined;
  /** Ends and removes what was started. Idempotent. */
  close(): Promise<void>;
}

const PREFIX = "plimsoll-bench-lab-";

export async function openLab(options: LabOptions): Promise<OpenLab> {
  const { smoke, say } = options;
  await removeAbandoned();
  const scratch = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  let started: Promise<StartedPlatform> | undefined;
  let engine: Promise<Docker | undefined> | undefined;
  let running: Docker | undefined;
  let closed: Promise<void> | undefined;

  const startOurs = async (): Promise<StartedPlatform> => {
    say("starting a platform");
    const platform = await usePlatform();
    const { place } = platform.platform;
    // A test run shares its own, in which other files go on.
    const isShared = platform.join === undefined;
    // As its users have it: the compile cache, and what else the bootstrap sets up.
    if (!isShared) await npmStart({ ...place, prefix: place.netns === undefined ? [] : inside(place.netns, []) });
    return platform;
  };
  const ours = () => {
    started ??= startOurs();
    return started;
  };
  const startPeer = async (): Promise<Docker | undefined> => {
    if (!(await ensureDockerInstalled({ install: !smoke, logPath: join(scratch, "apt.log") }))) {
      say("the peer is left out: docker.io is not installed, and a smoke run installs nothing");
      return undefined;
    }
    const { platform } = await ours();
    say("starting the peer's engine");
    const home = join(scratch, "docker");
    await mkdir(home);
    running = await startDocker(home);
    await shareBaseImage(platform, running, scratch, BASE);
    return running;
  };
  return {
    ...options,
    scratch,
    platform: async () => (await ours()).platform,
    docker: () => {
      engine ??= startPeer();
      return engine;
    },
    peer: () => (running === undefined ? undefined : `Docker ${running.version} with its BuildKit`),
    close: () => {
      closed ??= (async () => {
        try {
          await engine?.catch(() => undefined);
          await running?.stop();
          await (await started?.catch(() => undefined))?.stop();
        } finally {
          await rm(scratch, { recursive: true, force: true });
        }
      })();
      return closed;
    },
  };
}

/** Scratch directories of runs that were killed. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    await unmountBelow(join(tmpdir(), name));
    await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
}
