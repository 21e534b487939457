import { expect } from "vitest";
import type { PushResult } from "./app.ts";

/** What the pusher saw, without what git puts before it. */
export const said = ({ text }: PushResult) => text.replaceAll(/^remote: ?/gm, "").replaceAll(/ +$/gm, "");

export function isLive(pushed: PushResult): void {
  expect(pushed.code, pushed.text).toBe(0);
  expect(said(pushed)).toMatch(/^Live /m);
}
