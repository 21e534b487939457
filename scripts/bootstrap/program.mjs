import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";

const SHOWN_LINES = 12;

/** A program failed; its message names the log and shows the end of it. */
export class ProgramFailed extends Error {}

/**
 * Runs a program to its end with all its output in a log file. This is the one place beside packages/exec that starts programs:
 * it runs before any package is there.
 * @param {readonly [string, ...string[]]} argv
 * @param {{ logPath: string, cwd?: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<void>}
 */
export function runLogged(argv, { logPath, cwd, env }) {
  mkdirSync(dirname(logPath), { recursive: true });
  const log = openSync(logPath, "a", 0o600);
  const startOfOurs = statSync(logPath).size;
  return new Promise((resolve, reject) => {
    const [program, ...args] = argv;
    const child = spawn(program, args, { cwd, env: env ?? process.env, stdio: ["ignore", log, log] });
    const fail = (/** @type {string} */ how) => {
      const lines = readFileSync(logPath).subarray(startOfOurs).toString().trim().split("\n");
      // npm prints its whole usage after the reason, apt-get its reason last.
      const reason = lines.findIndex((line) => line.startsWith("npm error"));
      const said = reason === -1 ? lines.slice(-SHOWN_LINES) : lines.slice(reason, reason + SHOWN_LINES);
      reject(new ProgramFailed(`${argv.slice(0, 3).join(" ")} ${how}; from ${logPath}:\n${said.map((line) => `    ${line}`).join("\n")}`));
    };
    child.once("error", (error) => fail(`could not be started (${error.message})`));
    child.once("close", (code, signal) => {
      closeSync(log);
      if (code === 0) resolve();
      else fail(signal === null ? `exited with ${code}` : `was ended by ${signal}`);
    });
  });
}

/**
 * Runs a program to its end and answers what it wrote, whatever its exit code.
 * @param {readonly [string, ...string[]]} argv
 * @returns {Promise<string>}
 */
export function readProgram(argv) {
  return new Promise((resolve, reject) => {
    const [program, ...args] = argv;
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    child.once("error", reject);
    child.once("close", () => resolve(text));
  });
}
