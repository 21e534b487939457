import { AppError, errorText, toAppError } from "@plimsoll/core";
import type { ServerChannel } from "ssh2";
import type { GitProcess } from "../git-process.ts";
import { encodeRefusal } from "../pkt-line.ts";
import type { GitLogger, Principal, RepositoryRef } from "../ports.ts";
import { cleanLine } from "../render/text.ts";
import { BAD_PATH, type GitService, NO_LFS, parseSshCommand } from "../repository-path.ts";

/** A person who came without git. */
export function serveShell(channel: ServerChannel, principal: Principal): void {
  channel.on("error", () => undefined);
  const lines = [
    `Hello ${cleanLine(principal.name)}! Your key works. There is no shell here: this door takes git pushes.`,
    "",
    "  git remote add plimsoll ssh://git@<this host>:<port>/<team>/<namespace>/<app>.git",
    "  git push plimsoll main",
    "",
  ];
  channel.write(lines.map((line) => `${line}\r\n`).join(""));
  finish(channel, 1);
}

/** Runs git for a client until one of both ends. A client that leaves ends git, not the deploy. */
export async function serveExec(
  channel: ServerChannel,
  command: string,
  logger: GitLogger,
  open: (service: GitService, ref: RepositoryRef) => Promise<GitProcess>,
): Promise<void> {
  channel.on("error", () => undefined);
  let left = false;
  channel.once("close", () => {
    left = true;
  });
  const wanted = parseSshCommand(command);
  if (wanted.type === "unknown") {
    const wantsLfs = /^git-lfs-(authenticate|transfer) /.test(command);
    channel.stderr.write(wantsLfs ? `${NO_LFS}\n` : "Plimsoll takes git pushes and fetches here, no other command.\n");
    finish(channel, 1);
    return;
  }
  let git: GitProcess;
  try {
    if (wanted.type === "bad-path") throw new AppError("invalid", BAD_PATH);
    git = await open(wanted.service, wanted.ref);
  } catch (error) {
    const failure = toAppError(error);
    if (failure.code === "internal") logger.error("a git connection could not be served", { error: errorText(error) });
    channel.write(encodeRefusal(failure.message));
    finish(channel, 1);
    return;
  }
  if (left) {
    git.end();
    return;
  }
  channel.once("close", () => git.end());
  channel.on("data", () => git.touch());
  channel.pipe(git.stdin);
  git.stdout.pipe(channel, { end: false });
  git.stderr.pipe(channel.stderr, { end: false });
  finish(channel, await git.ended);
}

function finish(channel: ServerChannel, code: number): void {
  channel.exit(code);
  channel.end();
}
