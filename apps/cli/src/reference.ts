import { type CommandSpec, GROUPS } from "./command.ts";
import { EXIT_CODES } from "./failure.ts";
import { aboutOf, optionText, sentence } from "./help.ts";
import { COMMON_OPTIONS, usageOf } from "./parse.ts";

/** docs/reference/cli.md: made of the command table, and tested to be. */
export function referencePage(commands: readonly CommandSpec[]): string {
  const shown = commands.filter(({ hidden }) => hidden !== true);
  return `# plim

Made from the command table in \`apps/cli/src/table.ts\` by \`plim help --markdown\`; a test keeps it so. How to get and use it: [the guide](../guide/plim.md).

Every command takes these:

${rows(
  ["option", "what it does"],
  COMMON_OPTIONS.map((option) => [`\`${optionText(option)}\``, aboutOf(option)]),
)}

\`[app]\` may be left out in a repository that \`plim init\` made known (its git remote \`plimsoll\` names the app). The namespace is that of
\`--namespace\`, else of \`PLIM_NAMESPACE\`, else of the same remote, else the only one you have.

| environment | what it does |
| --- | --- |
| \`PLIM_URL\`, \`PLIM_TOKEN\` | the platform and the token, instead of a login that was kept: for scripts and CI |
| \`PLIM_NAMESPACE\` | the namespace where no \`--namespace\` is given |
| \`NO_COLOR\`, \`FORCE_COLOR\` | no colours, or colours also where standard output is no terminal |
| \`PLIM_DEBUG=1\` | stack traces, for reporting a defect |

How it ends:

${rows(
  ["code", "meaning"],
  EXIT_CODES.map(({ code, meaning }) => [String(code), meaning]),
)}
${GROUPS.map((group) =>
  section(
    group,
    shown.filter((spec) => spec.group === group),
  ),
).join("")}`;
}

function section(group: string, commands: readonly CommandSpec[]): string {
  return `\n## ${group}\n${commands.map(commandSection).join("")}`;
}

function commandSection(spec: CommandSpec): string {
  const options = (spec.options ?? []).map((option) => [`\`${optionText(option)}\``, aboutOf(option)]);
  const aliases = spec.aliases === undefined ? "" : ` Also: ${spec.aliases.map((alias) => `\`plim ${alias}\``).join(", ")}.`;
  return [
    `\n### ${usageOf(spec).replaceAll("<", "\\<").replaceAll("[", "\\[")}\n`,
    `${sentence(spec.about)}${aliases}${(spec.notes ?? []).map((note) => ` ${note}`).join("")}\n`,
    ...(options.length === 0 ? [] : [`${rows(["option", "what it does"], options)}\n`]),
    ...(spec.examples === undefined ? [] : [`\`\`\`sh\n${spec.examples.join("\n")}\n\`\`\`\n`]),
  ].join("\n");
}

function rows(headings: readonly string[], cells: readonly (readonly string[])[]): string {
  const line = (row: readonly string[]) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(headings), `| ${headings.map(() => "---").join(" | ")} |`, ...cells.map(line)].join("\n");
}
