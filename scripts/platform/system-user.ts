import { readFileSync } from "node:fs";
import { AppError } from "@plimsoll/core";

export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** A user of this machine, as its package made it. */
export function systemUser(name: string): SystemUser {
  const fields = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .find(([userName]) => userName === name);
  if (fields === undefined)
    throw new AppError("precondition_failed", `This machine has no user ${name}, which its Debian package makes: run npm start.`);
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}
