import { expect, it } from "vitest";
import { hostLayout } from "./layout.ts";

it("gives two hosts on one machine no name in common", () => {
  const a = hostLayout({ name: "a", dataDir: "/data" });
  const b = hostLayout({ name: "b", dataDir: "/data" });
  const shared = new Set<string>(Object.values(b));
  expect(Object.values(a).filter((name) => shared.has(name))).toEqual(["/run/netns"]);
  expect(hostLayout({ name: "a", dataDir: "/data/../data/" })).toEqual(a);
});

it("puts its cgroups below a delegated one", () => {
  expect(hostLayout({ name: "a", dataDir: "/data", cgroupParent: "/plimsoll.slice/agent" }).cgroupRoot).toMatch(
    /^\/plimsoll\.slice\/agent\/plimsoll-[0-9a-f]{8}$/,
  );
});
