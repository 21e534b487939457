import { createHash } from "node:crypto";
import { closeSync, openSync, rmSync, utimesSync, writeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { start } from "@plimsoll/exec";
import { FETCH_ENV, type FetchNetwork, NOBODY } from "./build-network.ts";
import type { BuildNetworkPath } from "./protocol.ts";

/** What cannot be had from a server, in words that follow its address. */
export class FetchFailed extends Error {}

/** The argument of the program that downloads. */
export interface FetchOrder {
  readonly url: string;
  readonly uid: number;
  readonly gid: number;
  readonly idleMs: number;
  readonly certificates?: string;
  /** Of what is known: it need not come again. */
  readonly etag?: string;
}

/** The first line that it says. */
export interface FetchAnswer {
  readonly ok: true;
  /** 0 where the server does not tell. */
  readonly modifiedMs: number;
  readonly etag?: string;
  /** It is what the order's tag stands for, and nothing follows. */
  readonly unchanged?: true;
}

const MAIN = fileURLToPath(new URL("./fetch-url-main.ts", import.meta.url));
const IDLE_MS = 60_000;
const MAX_LINE_BYTES = 4_096;
const STDERR_KEPT = 500;
export const MAX_DOWNLOAD_BYTES = 8 * 1024 ** 3;

/**
 * Downloads a file: 0600, with the time that its server gives it, else 1970. Checked by `checksum` (`sha256:…`) where there is one. Throws
 * FetchFailed. `unchanged`: the server says that it is what `etag` stood for, and there is no file.
 */
export async function fetchUrl(
  wanted: {
    readonly url: string;
    readonly checksum?: string;
    readonly etag?: string;
    readonly file: string;
    readonly maxBytes?: number;
    readonly spend?: (bytes: number) => void;
  },
  way: { readonly network: BuildNetworkPath; readonly through: FetchNetwork; readonly certificates?: string | undefined },
): Promise<Pick<FetchAnswer, "etag" | "unchanged">> {
  const { url, checksum, etag, file, maxBytes = MAX_DOWNLOAD_BYTES, spend } = wanted;
  const { certificates } = way;
  const order: FetchOrder = {
    ...{ url, uid: NOBODY, gid: NOBODY, idleMs: IDLE_MS },
    ...(certificates === undefined ? {} : { certificates }),
    ...(etag === undefined ? {} : { etag }),
  };
  const program = [process.execPath, "--disable-warning=ExperimentalWarning", MAIN, JSON.stringify(order)];
  const child = await start(way.through.argv(way.network, program), { stdio: ["ignore", "pipe", "pipe"], env: FETCH_ENV, cwd: "/" });
  let complaint = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(0, STDERR_KEPT);
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  const [algorithm = "sha256", expected] = checksum?.split(":", 2) ?? [];
  const hash = createHash(algorithm);
  const output = openSync(file, "wx", 0o600);
  let answer: FetchAnswer | undefined;
  try {
    let head: Buffer = Buffer.alloc(0);
    let bytes = 0;
    for await (const chunk of (child.stdout ?? []) as AsyncIterable<Buffer>) {
      let content = chunk;
      if (answer === undefined) {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf(10);
        if (end < 0 && head.length > MAX_LINE_BYTES) throw new FetchFailed("it could not be understood");
        if (end < 0) continue;
        answer = JSON.parse(head.toString("utf8", 0, end)) as FetchAnswer;
        content = head.subarray(end + 1);
      }
      bytes += content.length;
      if (bytes > maxBytes) throw new FetchFailed(`it is larger than ${maxBytes} bytes`);
      spend?.(content.length);
      hash.update(content);
      for (let done = 0; done < content.length; ) done += writeSync(output, content, done);
    }
    if ((await ended) !== 0 || answer === undefined) throw new FetchFailed(complaint === "" ? "the transfer broke off" : complaint);
  } finally {
    closeSync(output);
    child.kill("SIGKILL");
    await ended;
  }
  if (answer.unchanged === true) {
    rmSync(file);
    return { etag, unchanged: true };
  }
  const actual = hash.digest("hex");
  if (expected !== undefined && actual !== expected) {
    throw new FetchFailed(`its checksum is ${algorithm}:${actual}, not ${checksum}; if the change is meant, write that one`);
  }
  const seconds = Math.floor(answer.modifiedMs / 1_000);
  utimesSync(file, seconds, seconds);
  return answer.etag === undefined ? {} : { etag: answer.etag };
}
