import type { Image } from "./image.ts";

/** Hard limits of one build, held by its cgroup and by the builder. */
export interface BuildLimits {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly pids: number;
  readonly timeoutMs: number;
  /** Log bytes kept; what comes after is counted, not kept. */
  readonly logBytes: number;
  /** What its steps may write to the disk, all together: the larger of each file's length and what it takes. Absent: DEFAULT_BUILD_DISK's. */
  readonly diskBytes?: number;
  /** Files, directories and links that its steps may make. Absent: DEFAULT_BUILD_DISK's. */
  readonly diskFiles?: number;
  /** What the namespace may give a single build, for the sentence to one that ran out of memory. Absent: not known. */
  readonly mostMemoryBytes?: number;
}

/** Room for the largest of ordinary images, several times over, and for no accident. */
export const DEFAULT_BUILD_DISK = { diskBytes: 8 * 1024 ** 3, diskFiles: 500_000 } as const;

/** A line of a recipe, beside what is said about it. */
export interface ExcerptLine {
  /** 1-based. */
  readonly line: number;
  readonly text: string;
  /** What is said is about this line; the others are around it. */
  readonly marked?: boolean;
}

/** What a check found in a Dockerfile that is built all the same. */
export interface BuildWarning {
  /** As the field names it: `JSONArgsRecommended`. */
  readonly check: string;
  /** What is wrong and what to write instead. */
  readonly message: string;
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly excerpt?: readonly ExcerptLine[];
}

/** What would make builds faster, images smaller or apps safer: never a reason to fail. */
export interface BuildAdvice {
  readonly about: "context" | "layers" | "order" | "user" | "base" | "ignore";
  /** What was found. */
  readonly message: string;
  /** What it costs. */
  readonly why: string;
  /** What to type. */
  readonly fix: string;
  readonly file?: string;
  readonly line?: number;
}

/** Why a build did not make an image, as told to the person who pushed. */
export interface BuildFailure {
  readonly reason:
    | "dockerfile"
    | "unsupported"
    | "context"
    | "base_image"
    | "command"
    | "out_of_memory"
    | "out_of_disk"
    | "timeout"
    | "cancelled"
    | "interrupted"
    | "quota_exceeded"
    | "internal";
  /** One or two sentences: what happened and what to do. */
  readonly message: string;
  readonly file?: string;
  /** 1-based line in `file`. */
  readonly line?: number;
  /** The instruction as written. */
  readonly instruction?: string;
  readonly exitCode?: number;
  /** The line of `file` with what stands around it. */
  readonly excerpt?: readonly ExcerptLine[];
  /** Last lines of the step's output. */
  readonly logTail?: readonly string[];
}

/** A step of the build as people see it: one instruction of one stage. */
export interface BuildStep {
  /** Unique in its build; order of the Dockerfile. */
  readonly index: number;
  /** Name of its stage, or its number as text. */
  readonly stage: string;
  /** `RUN npm ci`, shortened to one line. */
  readonly label: string;
  readonly line: number;
}

/** A Dockerfile that the commit does not have, and what it was written for. */
export interface WrittenRecipe {
  /** `a Vite site`. */
  readonly what: string;
  /** What it was told by, each a part of a sentence. */
  readonly because: readonly string[];
  readonly dockerfile: string;
}

/** What a build tells while it runs, in order. `atMs` is milliseconds since the build began. */
export type BuildEvent =
  | {
      readonly type: "plan";
      readonly atMs: number;
      readonly dockerfile: string;
      readonly target: string;
      readonly steps: readonly BuildStep[];
      /** Where the commit has none. */
      readonly written?: WrittenRecipe;
    }
  | { readonly type: "notice"; readonly atMs: number; readonly text: string }
  | { readonly type: "warning"; readonly atMs: number; readonly warning: BuildWarning }
  | { readonly type: "advice"; readonly atMs: number; readonly advice: readonly BuildAdvice[] }
  | { readonly type: "step-started"; readonly atMs: number; readonly step: number }
  | { readonly type: "step-log"; readonly atMs: number; readonly step: number; readonly stream: "stdout" | "stderr"; readonly text: string }
  | {
      readonly type: "step-done";
      readonly atMs: number;
      readonly step: number;
      readonly outcome: "cached" | "done" | "failed";
      readonly durationMs: number;
      /** Of a cached step: how long it took when it ran, where that is known. */
      readonly savedMs?: number;
    }
  | { readonly type: "done"; readonly atMs: number; readonly image: Image; readonly sizeBytes: number; readonly newBytes: number }
  | { readonly type: "failed"; readonly atMs: number; readonly failure: BuildFailure };
