import { AppError, readRegistryHost } from "@plimsoll/core";

/** An image reference, complete (distribution's reference grammar). */
export interface ImageReference {
  /** `docker.io/library/node:22`, `ghcr.io/a/b@sha256:…`: what a registry client is given. */
  readonly full: string;
  /** As people write it: without `docker.io/library/`, with its tag: `node:22`. */
  readonly familiar: string;
  readonly registry: string;
  /** In its registry: `library/node`. */
  readonly name: string;
  /** `:22` or `@sha256:…`. */
  readonly suffix: string;
  /** Names its content: never asked for again. */
  readonly pinned: boolean;
}

const PATTERN =
  /^(?:(?<registry>(?:localhost|[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+)(?::\d{1,5})?|localhost:\d{1,5}|[a-zA-Z0-9-]+:\d{1,5})\/)?(?<name>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)(?::(?<tag>[\w][\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$/;

/** Completes a reference as Docker does: registry docker.io, `library/`, tag latest. AppError `invalid` when it is none. */
export function parseReference(text: string): ImageReference {
  const groups = text.length > 512 ? undefined : PATTERN.exec(text)?.groups;
  if (groups?.name === undefined)
    throw new AppError("invalid", `\`${text.slice(0, 200)}\` is no image reference; write it as name:tag or registry/name:tag.`);
  const registry = groups.registry === undefined ? "docker.io" : readRegistryHost(groups.registry);
  const name = registry === "docker.io" && !groups.name.includes("/") ? `library/${groups.name}` : groups.name;
  const tag = groups.tag ?? (groups.digest === undefined ? "latest" : undefined);
  // A digest decides alone: registry clients refuse a tag beside it.
  const suffix = groups.digest === undefined ? `:${tag}` : `@${groups.digest}`;
  const full = `${registry}/${name}${suffix}`;
  return { full, familiar: full.replace(/^docker\.io\/(library\/)?/, ""), registry, name, suffix, pinned: groups.digest !== undefined };
}

/** Whether a familiar reference fits a pattern with `*` for any characters. */
export function matchesReference(familiar: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(familiar);
}
