import type { Call, CommandSpec } from "./command.ts";
import { COMMON_OPTIONS, findCommand, parseTakes } from "./parse.ts";
import { resolvePlace } from "./place.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

/** What a shell reads to complete plim's command lines; it asks plim itself, so the table stays the one place. */
export function shellScript(shell: Shell): string {
  switch (shell) {
    case "bash":
      return `# plim completion bash > /etc/bash_completion.d/plim
_plim() {
  mapfile -t COMPREPLY < <(plim __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _plim plim`;
    case "zsh":
      return `#compdef plim
# plim completion zsh > "\${fpath[1]}/_plim"
_plim() {
  local -a found
  found=("\${(@f)$(plim __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -- $found
}
compdef _plim plim`;
    case "fish":
      return `# plim completion fish > ~/.config/fish/completions/plim.fish
complete -c plim -f -a '(plim __complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'`;
  }
}

/** How long the platform may take to name its apps before a shell goes without. */
const APPS_MS = 1_000;

/** What could stand at the place of the last of these words: commands, options, and names of apps where an app belongs. */
export async function candidates(
  commands: readonly CommandSpec[],
  words: readonly string[],
  call: Pick<Call, "client">,
): Promise<readonly string[]> {
  const last = words.at(-1) ?? "";
  const before = words.slice(0, -1).filter((word) => !word.startsWith("-"));
  const found = findCommand(commands, before);
  const starting = (names: readonly string[]) => [...new Set(names)].filter((name) => name.startsWith(last)).sort();
  if (last.startsWith("-")) return starting([...(found?.spec.options ?? []), ...COMMON_OPTIONS].map(({ name }) => `--${name}`));
  const below = commands
    .filter(({ hidden }) => hidden !== true)
    .flatMap(({ name, aliases = [] }) => [name, ...aliases])
    .map((name) => name.split(" "))
    .filter((parts) => parts.length > before.length && before.every((word, index) => parts[index] === word))
    .map((parts) => parts[before.length] ?? "");
  const takesApp = found?.rest.length === 0 && parseTakes(found.spec.takes)[0]?.name === "app";
  return starting([...below, ...(takesApp ? await appNames(call) : [])]);
}

async function appNames({ client }: Pick<Call, "client">): Promise<readonly string[]> {
  const names = (async () => {
    const place = await resolvePlace(undefined, client);
    const { items } = await (await client()).list("GET /api/v1/namespaces/:team/:namespace/apps", { params: { ...place } });
    return items.map(({ metadata }) => metadata.name);
  })().catch(() => []);
  return Promise.race([names, new Promise<readonly string[]>((resolve) => setTimeout(resolve, APPS_MS, []).unref())]);
}
