import type { Platform } from "../support/platform.ts";
import type { Docker } from "./docker.ts";
import type { Measurement } from "./report.ts";

/** Where benchmarks run: one platform and one peer for all of a run, each started when it is first asked for. */
export interface Lab {
  /** Once each, to see that it works; a peer that is not installed is left out. */
  readonly smoke: boolean;
  /** Samples of each side that count. */
  readonly pairs: number;
  /** Also what takes minutes: a whole fresh machine. */
  readonly fresh: boolean;
  /** Removed at the end. */
  readonly scratch: string;
  /** One started for this run, or the one that a test run shares. */
  platform(): Promise<Platform>;
  /** With the platform's base image under the same name; undefined when it is left out. */
  docker(): Promise<Docker | undefined>;
  /** A line of progress for people. */
  say(text: string): void;
}

export interface Benchmark {
  readonly name: string;
  /** What is timed, against what, in one line. */
  readonly about: string;
  run(lab: Lab): Promise<readonly Measurement[]>;
}
