import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { AppError, ifThere } from "@plimsoll/core/errors";
import { run, start } from "@plimsoll/exec";
import { requester, textOf } from "./client.ts";
import { gitEnvironment } from "./place.ts";

/** Where git runs: a folder, with what its environment has besides the person's own. */
export interface Where {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Destination {
  /** Of the app's repository. */
  readonly url: string;
  readonly token: string;
}

export const SEND_TIMEOUT_MS = 10 * 60_000;
/** Takes a commit in without deploying it. */
const REF = "refs/for-build/head";
const NOTHING = "0".repeat(40);
/** In git's own directory: which commit each of the last repositories was sent last, a line each. */
const SENT_FILE = "plimsoll-sent";
const SENT_KEPT = 32;

/**
 * Brings a commit into an app's repository. What differs from the commit that was sent last goes in one request; where there was none, or
 * that does not do, `git push` finds out what is missing there. AppError `unavailable` with git's words when it does not arrive.
 */
export async function sendCommit(at: Where, commit: string, to: Destination, gitDirectory?: string): Promise<void> {
  const before = gitDirectory === undefined ? undefined : (await sentBefore(gitDirectory)).get(to.url);
  const arrived = before !== undefined && (await sendDifference(at, { commit, before }, to).catch(() => false));
  if (!arrived) await push(at, commit, to);
  if (gitDirectory !== undefined) await remember(gitDirectory, to.url, commit);
}

/** One request of git's smart HTTP protocol (gitprotocol-pack, reference update request) instead of the three programs of a push. */
async function sendDifference(at: Where, { commit, before }: { commit: string; before: string }, to: Destination): Promise<boolean> {
  const signal = AbortSignal.timeout(SEND_TIMEOUT_MS);
  const packing = await start(["git", "pack-objects", "--revs", "--thin", "--stdout", "--delta-base-offset", "-q"], {
    cwd: at.cwd,
    env: { ...gitEnvironment(), ...at.env },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const packed = once(packing, "exit");
  try {
    const url = new URL(`${to.url}/git-receive-pack`);
    const headers = {
      authorization: authorization(to.token),
      "content-type": "application/x-git-receive-pack-request",
      accept: "application/x-git-receive-pack-result",
    };
    const request = requester(url)(url, { method: "POST", headers, signal });
    const answered = once(request, "response");
    answered.catch(() => undefined); // Awaited below; what fails before is told first.
    request.write(packet(`${NOTHING} ${commit} ${REF}\0 report-status agent=plim\n`) + FLUSH);
    packing.stdin?.end(`${commit}\n^${before}\n`);
    if (packing.stdout === null) return false;
    // Not ended by the pipe: a pack that was cut short must not look whole.
    await pipeline(packing.stdout, request, { end: false });
    const [code] = await packed;
    if (code !== 0) {
      request.destroy();
      return false;
    }
    request.end();
    const [answer] = await answered;
    const report = await textOf(answer);
    return answer.statusCode === 200 && report.includes("unpack ok\n") && report.includes(`ok ${REF}\n`);
  } finally {
    packing.kill("SIGKILL");
  }
}

/** Over HTTP with the token that plim has: git needs no key and no remote. The token is in no argument, where others could see it. */
async function push(at: Where, commit: string, { url, token }: Destination): Promise<void> {
  const { code, stderr } = await run(["git", "push", "--quiet", "--no-verify", "--force", url, `${commit}:${REF}`], {
    cwd: at.cwd,
    env: {
      ...gitEnvironment(),
      ...at.env,
      GIT_TERMINAL_PROMPT: "0",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "http.extraHeader",
      GIT_CONFIG_VALUE_0: `Authorization: ${authorization(token)}`,
    },
    timeoutMs: SEND_TIMEOUT_MS,
    okCodes: [0, 1, 128],
  });
  if (code === 0) return;
  const said = stderr
    .split("\n")
    .map((line) => line.replace(/^remote: ?/, "").trimEnd())
    .filter((line) => line !== "");
  throw new AppError("unavailable", `The commit did not arrive:\n${said.slice(-10).join("\n")}`);
}

function authorization(token: string): string {
  return `Basic ${Buffer.from(`plim:${token}`).toString("base64")}`;
}

const FLUSH = "0000";

function packet(text: string): string {
  return (text.length + 4).toString(16).padStart(4, "0") + text;
}

/** By the repository's URL, the one that was sent to last being the last. What cannot be read is no line. */
async function sentBefore(gitDirectory: string): Promise<Map<string, string>> {
  const text = (await ifThere(readFile(join(gitDirectory, SENT_FILE), "utf8"))) ?? "";
  return new Map(
    text.split("\n").flatMap((line): [string, string][] => {
      const [, commit, url] = /^([0-9a-f]{40}) (\S+)$/.exec(line) ?? [];
      return commit === undefined || url === undefined ? [] : [[url, commit]];
    }),
  );
}

/** For the next time only: where it cannot be kept, that one takes longer. */
async function remember(gitDirectory: string, url: string, commit: string): Promise<void> {
  const sent = await sentBefore(gitDirectory);
  sent.delete(url);
  sent.set(url, commit);
  const lines = [...sent].slice(-SENT_KEPT).map(([to, what]) => `${what} ${to}\n`);
  await writeFile(join(gitDirectory, SENT_FILE), lines.join("")).catch(() => undefined);
}
