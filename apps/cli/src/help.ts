import { type CommandSpec, GROUPS, type OptionSpec } from "./command.ts";
import { COMMON_OPTIONS, usageOf } from "./parse.ts";

/** What plim can do, by group: a line each. */
export function overview(commands: readonly CommandSpec[]): string {
  const shown = commands.filter(({ hidden }) => hidden !== true);
  const width = Math.max(...shown.map((spec) => usageOf(spec).length)) + 2;
  const groups = GROUPS.map((group) => [
    "",
    group,
    ...shown.filter((spec) => spec.group === group).map((spec) => `  ${usageOf(spec).padEnd(width)} ${spec.about}`),
  ]);
  return [
    "plim: Plimsoll from the command line",
    ...groups.flat(),
    "",
    "The app may be left out in a repository that `plim init` made known; so may the namespace, also where you have only one.",
    "Of one command: plim help <command>. Of everything: docs/reference/cli.md",
  ].join("\n");
}

/** How one command is used. */
export function commandHelp(commands: readonly CommandSpec[], spec: CommandSpec): string {
  const below = commands.filter(({ name, hidden }) => name.startsWith(`${spec.name} `) && hidden !== true);
  const options = [...(spec.options ?? []), ...COMMON_OPTIONS].map((option) => [optionText(option), aboutOf(option)] as const);
  const width = Math.max(...options.map(([text]) => text.length));
  return [
    `${usageOf(spec)}`,
    ...(spec.aliases ?? []).map((alias) => `plim ${alias}${spec.takes === undefined ? "" : ` ${spec.takes}`}`),
    "",
    `${sentence(spec.about)}${(spec.notes ?? []).map((note) => `\n${note}`).join("")}`,
    "",
    ...options.map(([text, about]) => `  ${text.padEnd(width)}   ${about}`),
    ...(below.length === 0 ? [] : ["", ...below.map((one) => `  ${usageOf(one)}   ${one.about}`)]),
    ...(spec.examples === undefined ? [] : ["", ...spec.examples.map((example) => `  ${example}`)]),
  ].join("\n");
}

/** `-n, --namespace <team/namespace>`. */
export function optionText({ name, short, value }: OptionSpec): string {
  return `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` <${value}>`}`;
}

export function aboutOf({ about, fallback }: OptionSpec): string {
  return fallback === undefined ? about : `${about} (default ${fallback})`;
}

export function sentence(about: string): string {
  return `${about.charAt(0).toUpperCase()}${about.slice(1)}.`;
}
