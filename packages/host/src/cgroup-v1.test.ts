import { expect, it } from "vitest";
import { v1Hierarchies } from "./cgroup-v1.ts";

it("finds v1 hierarchies, co-mounted and named ones too, and leaves cgroup2 alone", () => {
  const hierarchies = v1Hierarchies(
    [
      "30 25 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755",
      "31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:5 - cgroup2 cgroup2 rw,nsdelegate",
      "32 30 0:28 / /sys/fs/cgroup/systemd rw shared:6 - cgroup cgroup rw,xattr,name=systemd",
      "33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:7 - cgroup cgroup rw,cpu,cpuacct",
      "34 30 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
    ].join("\n"),
  );
  expect([...hierarchies]).toEqual([
    ["name=systemd", "/sys/fs/cgroup/systemd"],
    ["cpu", "/sys/fs/cgroup/cpu,cpuacct"],
    ["cpuacct", "/sys/fs/cgroup/cpu,cpuacct"],
    ["memory", "/sys/fs/cgroup/memory"],
  ]);
});
