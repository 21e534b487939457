import type { Case, Config, Outcome } from "../case.ts";

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A case about `features` (`COPY --chown, USER`). The Dockerfile gets its last line end. */
export function define(
  features: string,
  name: string,
  dockerfile: string,
  more: Omit<Case, "name" | "features" | "dockerfile"> = {},
): Case {
  return { name, features: features.split(", "), dockerfile: `${dockerfile}\n`, ...more };
}

/** For references: an image on `base` that adds `tree`. */
export function onBase(tree: Readonly<Record<string, string>>, config: Config = {}): Outcome {
  return { tree, config: { env: ["BASE=1", DEFAULT_PATH], cmd: ["sh"], labels: { base: "yes" }, ...config } };
}

/** For references: an image of nothing but `tree`. */
export function onScratch(tree: Readonly<Record<string, string>>, config: Config = {}): Outcome {
  return { tree, config: { env: [DEFAULT_PATH], ...config } };
}
