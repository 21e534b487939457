import { join, relative, resolve } from "node:path";
import { type Layout, layoutOf } from "./layout.ts";

/** The installation that a command of this checkout is about. */
export function thisInstallation(): Layout {
  const root = resolve(import.meta.dirname, "../..");
  return layoutOf(root, resolve(process.env.PLIMSOLL_DATA_DIR || join(root, ".plimsoll")));
}

/** A path as a person would type it here. */
export function shown(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith("..") ? path : fromHere;
}
