import { existsSync } from "node:fs";
import { join } from "node:path";
import { MS, mount } from "@plimsoll/host";

/*
 * Started in a mount namespace of its own: puts the files of its first argument, a directory, in the place of this machine's resolver
 * files, and becomes the program that the other arguments are.
 */

const [directory = "", program = "", ...args] = process.argv.slice(2);
for (const name of ["resolv.conf", "hosts", "nsswitch.conf"])
  if (existsSync(`/etc/${name}`)) mount(join(directory, name), `/etc/${name}`, "none", MS.bind);
process.execve?.(`/usr/bin/${program}`, [program, ...args], process.env as Record<string, string>);
