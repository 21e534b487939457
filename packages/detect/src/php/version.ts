import { type ProjectFiles, textsOf } from "../files.ts";
import { toolVersion, type Version } from "../versions.ts";

/** What Debian 13 has as well, so that a host without a registry can stand in for it. */
const DEFAULT = { major: 8, minor: 4 };

export async function phpVersion(files: ProjectFiles, composer: Readonly<Record<string, unknown>>): Promise<Version> {
  const config = composer.config as { readonly platform?: unknown } | null | undefined;
  const fixed: readonly (readonly [string, string | undefined])[] = [
    [".php-version", (await files.read(".php-version"))?.slice(0, 100)],
    [".tool-versions", await toolVersion(files, "php")],
    ["composer.json's platform", textsOf(config?.platform).php],
  ];
  for (const [file, text] of fixed) {
    const version = /([78]\.\d)(?!\d)/.exec(text ?? "")?.[1];
    if (version !== undefined) return { version, because: `${file} asks for PHP ${version}` };
  }
  const constraint = textsOf(composer.require).php?.slice(0, 100);
  const chosen = constraint === undefined ? undefined : allowedBy(constraint);
  const standard = `${DEFAULT.major}.${DEFAULT.minor}`;
  return chosen === undefined ? { version: standard } : { version: chosen, because: `composer.json requires PHP ${shown(constraint)}` };
}

/** Composer's constraints: the newest that the last alternative allows and that is usual here. */
function allowedBy(constraint: string): string | undefined {
  const alternative = constraint.split(/\|\|?/).at(-1)?.trim() ?? "";
  const [, operator = "", major, minor] = /^(\^|>=|>|~|=|==)?\s*v?([78])(?:\.(\d))?/.exec(alternative) ?? [];
  if (major === undefined) return undefined;
  const lower = Number(minor ?? 0);
  // ~8.1 goes up to 9, ~8.1.2 up to 8.2; with an upper bound the lower one is the safe choice.
  const isOpen =
    [">=", ">", "^"].includes(operator) || (operator === "~" && !/^~\s*v?\d\.\d+\.\d/.test(alternative)) || minor === undefined;
  if (!isOpen || alternative.includes("<")) return `${major}.${lower}`;
  if (Number(major) === DEFAULT.major) return `${major}.${Math.max(lower, DEFAULT.minor)}`;
  return operator.startsWith(">") ? `${DEFAULT.major}.${DEFAULT.minor}` : "7.4";
}

function shown(constraint: string | undefined): string {
  return (constraint ?? "").replaceAll(/[^\w .^~<>=|*,-]/g, "").slice(0, 40);
}
