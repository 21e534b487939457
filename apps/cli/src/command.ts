import type { AppError } from "@plimsoll/core";
import type { Client } from "./client.ts";
import type { AppPlace, Place } from "./place.ts";

/** An option as the table declares it. Without `value` it is a switch. */
export interface OptionSpec {
  readonly name: string;
  readonly short?: string;
  /** What it takes, for people: `team/namespace`. */
  readonly value?: string;
  readonly about: string;
  /** Taken when it is not given; shown in help. */
  readonly fallback?: string;
  /** It may be given several times. */
  readonly many?: boolean;
}

/** A positional argument: `<app>`, `[app]`, `<NAME...>`. */
export interface ArgumentSpec {
  readonly name: string;
  readonly required: boolean;
  readonly many: boolean;
}

/** One command, as the table in table.ts has it: help, reference, completion and the parser all come from this. */
export interface CommandSpec {
  /** `secrets set`. */
  readonly name: string;
  /** Other names that do the same. */
  readonly aliases?: readonly string[];
  readonly group: Group;
  /** What it does, as a sentence without subject and full stop. */
  readonly about: string;
  /** Its positional arguments, as usage shows them: `[app] <process=count...>`. */
  readonly takes?: string;
  readonly options?: readonly OptionSpec[];
  /** More than the one line, for its own help. */
  readonly notes?: readonly string[];
  readonly examples?: readonly string[];
  /** Not in help and reference: for shells, not for people. */
  readonly hidden?: boolean;
  /** Its code, loaded when it is called: a command pays for its own only. */
  readonly load: () => Promise<Run>;
}

export const GROUPS = ["This machine", "Apps", "What happens", "Configuration", "Teams and namespaces", "Platform", "plim"] as const;
export type Group = (typeof GROUPS)[number];

export type Run = (call: Call) => Promise<void>;

/** One call of a command: what was typed, and what commands need to answer it. */
export interface Call {
  readonly spec: CommandSpec;
  /** All that there are: for help and completion. */
  readonly commands: readonly CommandSpec[];
  /** The argument of this name, undefined where an optional one was left out. */
  argument(name: string): string | undefined;
  /** All values of an argument or option that may come several times. */
  all(name: string): readonly string[];
  /** An option's value, or its fallback. */
  option(name: string): string | undefined;
  /** Whether a switch was given. */
  has(name: string): boolean;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** `-o json`. */
  readonly json: boolean;
  /** The platform that this machine is logged in to. AppError `unauthenticated` says how to log in. */
  client(): Promise<Client>;
  /** The namespace that the command is about. */
  place(): Promise<Place>;
  /** The app that was named, else that of the repository we stand in. */
  app(named?: string): Promise<AppPlace>;
  /** Writes a line to standard output. */
  print(text: string): void;
  /** Writes a line to standard error: what is said beside the answer. */
  note(text: string): void;
  /** The answer: as it is with `-o json`, else as text. */
  show(data: unknown, text: () => string): void;
  /** How the command ends although it did what it was asked: what it waited for failed. */
  fail(error: AppError): void;
}
