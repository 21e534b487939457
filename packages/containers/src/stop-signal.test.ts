import { expect, it } from "vitest";
import { signalNumber } from "./stop-signal.ts";

it.each([
  [undefined, 15],
  ["SIGINT", 2],
  ["int", 2],
  ["9", 9],
  ["SIGCLD", 17],
  ["SIGRTMIN", 34],
  ["RTMIN+3", 37],
  ["RTMAX", 64],
  ["SIGRTMAX-14", 50],
  ["0", 15],
  ["65", 15],
  ["nonsense", 15],
  ["", 15],
])("%s is signal %i", (text, number) => {
  expect(signalNumber(text)).toBe(number);
});
