#!/usr/bin/env node
import { AppError, errorText } from "@plimsoll/core";
import { Command } from "commander";
import { addApps } from "./commands/apps.ts";
import { addInit } from "./commands/init.ts";
import { addLogin } from "./commands/login.ts";
import { addLogs } from "./commands/logs.ts";
import { addSettings } from "./commands/settings.ts";

const program = new Command("plim").description("Plimsoll from the command line").version("0.1.0");
addLogin(program);
addInit(program);
addApps(program);
addLogs(program);
addSettings(program);

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof AppError ? error.message : errorText(error));
  process.exitCode = 1;
}
