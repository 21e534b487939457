import type { Case } from "../case.ts";
import { ADD_CASES, IGNORE_CASES, NEWER_COPY_CASES } from "./add.ts";
import { COPY_CASES, COPY_FROM_CASES, COPY_OWNER_CASES } from "./copy.ts";
import { withDeviation } from "./deviations.ts";
import { ARG_CASES, ENV_CASES, EXPANSION_CASES } from "./expansion.ts";
import { MOUNT_CASES, RUN_CASES } from "./run.ts";
import { ADD_URL_CASES, FROM_CASES, HEREDOC_CASES, PARSER_CASES, SETTINGS_CASES } from "./settings.ts";

const GROUPS = [
  PARSER_CASES,
  FROM_CASES,
  ARG_CASES,
  ENV_CASES,
  EXPANSION_CASES,
  SETTINGS_CASES,
  COPY_CASES,
  COPY_OWNER_CASES,
  COPY_FROM_CASES,
  NEWER_COPY_CASES,
  ADD_CASES,
  ADD_URL_CASES,
  IGNORE_CASES,
  HEREDOC_CASES,
  RUN_CASES,
  MOUNT_CASES,
];

/** Every case, each name once. */
export function allCases(): readonly Case[] {
  const cases = GROUPS.flat().map(withDeviation);
  const names = new Set<string>();
  for (const { name } of cases) {
    if (names.has(name)) throw new Error(`two cases are named "${name}"`);
    names.add(name);
  }
  return cases;
}

/** One in sixteen, spread over all of them. */
export function shortCases(): readonly Case[] {
  return allCases().filter((_, index) => index % 16 === 0);
}
