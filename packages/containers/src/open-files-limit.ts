import { readFileSync } from "node:fs";

const WANTED = 65_536;

/** How many files a container's program may have open: 65,536, or what we may have ourselves where we cannot raise it. */
export function openFilesLimit(): number {
  const line = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  const hard = line?.[1] === "unlimited" ? WANTED : Number(line?.[1]);
  return Number.isInteger(hard) ? Math.min(WANTED, hard) : 1_024;
}
