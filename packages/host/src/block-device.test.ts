import { expect, it } from "vitest";
import { deviceNumber } from "./block-device.ts";

it("takes a device number apart as the C library does", () => {
  expect(deviceNumber(65_024n)).toBe("254:0");
  expect(deviceNumber(0x801n)).toBe("8:1");
  // 259:300: the minor's upper bits lie above the major.
  expect(deviceNumber(0x11032cn)).toBe("259:300");
});
