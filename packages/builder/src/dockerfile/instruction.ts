import type { SourceLocation } from "../problem.ts";
import type { Heredoc } from "./heredoc.ts";

/** A command line: for the shell of the stage, or argv (JSON form). */
export type Command = { readonly form: "shell"; readonly line: string } | { readonly form: "exec"; readonly argv: readonly string[] };

export interface ArgDeclaration {
  readonly name: string;
  /** Unexpanded. */
  readonly value?: string;
}

/** One `--mount`: its comma-separated parts in order, keys in lower case. */
export interface MountFlag {
  readonly fields: readonly { readonly key: string; readonly value?: string }[];
}

export interface RunInstruction {
  readonly type: "run";
  readonly command: Command;
  readonly mounts: readonly MountFlag[];
  readonly network: "default" | "none";
  /** Their marks stay in the command's line. */
  readonly heredocs: readonly Heredoc[];
}

/** What COPY and ADD have in common. */
interface Placing {
  /** Without the heredocs. */
  readonly sources: readonly string[];
  readonly destination: string;
  readonly heredocs: readonly Heredoc[];
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  readonly exclude: readonly string[];
}

export interface CopyInstruction extends Placing {
  readonly type: "copy";
  readonly from?: string;
  readonly parents: boolean;
}

export interface AddInstruction extends Placing {
  readonly type: "add";
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
  readonly unpack?: boolean;
}

/** Durations as read, in nanoseconds as images have them; what is absent is left to whoever runs the check. */
export type HealthcheckInstruction = { readonly type: "healthcheck" } & (
  | { readonly kind: "none" }
  | {
      readonly kind: "cmd";
      readonly command: Command;
      readonly intervalNs?: number;
      readonly timeoutNs?: number;
      readonly startPeriodNs?: number;
      readonly startIntervalNs?: number;
      readonly retries?: number;
    }
);

/** One instruction of a stage; words are as written, not yet expanded. */
export type Instruction = { readonly at: SourceLocation } & (
  | RunInstruction
  | CopyInstruction
  | AddInstruction
  | HealthcheckInstruction
  | { readonly type: "cmd"; readonly command: Command }
  | { readonly type: "entrypoint"; readonly command: Command }
  | { readonly type: "env"; readonly pairs: readonly (readonly [string, string])[] }
  | { readonly type: "label"; readonly pairs: readonly (readonly [string, string])[] }
  | { readonly type: "arg"; readonly args: readonly ArgDeclaration[] }
  | { readonly type: "workdir"; readonly path: string }
  | { readonly type: "user"; readonly user: string }
  | { readonly type: "expose"; readonly ports: readonly string[] }
  | { readonly type: "volume"; readonly paths: readonly string[] }
  | { readonly type: "stopsignal"; readonly signal: string }
  | { readonly type: "shell"; readonly argv: readonly string[] }
  | { readonly type: "maintainer"; readonly name: string }
  /** The instruction as it is kept in the image. */
  | { readonly type: "onbuild"; readonly trigger: string }
);

export interface FromInstruction {
  readonly type: "from";
  readonly at: SourceLocation;
  /** Unexpanded. */
  readonly base: string;
  /** Lower case. */
  readonly name?: string;
  /** Unexpanded. */
  readonly platform?: string;
}
