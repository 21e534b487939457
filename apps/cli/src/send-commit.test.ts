import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { minimalEnv, run, start } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sendCommit } from "./send-commit.ts";

let scratch: string;
let folder: string;
let origin: string;
let server: Server;
let requests: { readonly what: string; bytes: number }[];

beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), "plimsoll-send-"));
  [folder, origin] = [join(scratch, "folder"), join(scratch, "origin.git")];
  await run(["git", "init", "-q", "-b", "main", folder]);
  await makeOrigin();
  requests = [];
  server = createServer((request, response) => void serve(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(scratch, { recursive: true, force: true });
});

const env = { ...minimalEnv, HOME: "/nonexistent" };
const git = async (...args: string[]) =>
  (await run(["git", "-c", "user.name=Ana", "-c", "user.email=ana@acme.example", ...args], { cwd: folder, env })).stdout.trim();
const has = async (commit: string) =>
  (await run(["git", "-C", origin, "cat-file", "-e", `${commit}^{tree}`], { okCodes: [0, 1, 128] })).code === 0;

/** A repository that, as the platform's, has no branch of what was sent. */
async function makeOrigin(): Promise<void> {
  await run(["git", "init", "-q", "--bare", origin]);
  await run(["git", "-C", origin, "config", "http.receivepack", "true"]);
  writeFileSync(join(origin, "hooks/post-receive"), "#!/bin/sh\ngit update-ref -d refs/for-build/head\n", { mode: 0o755 });
}

/** git's own server side (git-http-backend), counted. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "", "http://localhost");
  const counted = { what: `${request.method} ${url.pathname.split("/").at(-1)}`, bytes: 0 };
  requests.push(counted);
  const backend = await start(["git", "http-backend"], {
    stdio: ["pipe", "pipe", "ignore"],
    env: {
      ...env,
      GIT_PROJECT_ROOT: scratch,
      GIT_HTTP_EXPORT_ALL: "1",
      REMOTE_USER: "ana",
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method ?? "",
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      ...(request.headers["content-length"] === undefined ? {} : { CONTENT_LENGTH: request.headers["content-length"] }),
      ...(request.headers["content-encoding"] === undefined ? {} : { HTTP_CONTENT_ENCODING: request.headers["content-encoding"] }),
    },
  });
  request.on("data", (chunk: Buffer) => {
    counted.bytes += chunk.length;
  });
  if (backend.stdin !== null) request.pipe(backend.stdin).on("error", () => undefined);
  const answer = Buffer.concat((await backend.stdout?.toArray()) ?? []);
  const end = answer.indexOf("\r\n\r\n");
  const headers = answer.toString("latin1", 0, end).split("\r\n");
  const status = headers.find((line) => line.startsWith("Status:"))?.slice(8, 11) ?? "200";
  for (const [name, value] of headers.map((line) => line.split(": "))) if (name !== "Status") response.setHeader(name ?? "", value ?? "");
  response.writeHead(Number(status)).end(answer.subarray(end + 4));
}

async function commit(name: string, content: string): Promise<string> {
  writeFileSync(join(folder, name), content);
  await git("add", "-A");
  await git("commit", "-q", "-m", name);
  return git("rev-parse", "HEAD");
}

const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/origin.git`;
const send = (id: string) => sendCommit({ cwd: folder }, id, { url: url(), token: "t" }, join(folder, ".git"));
/** What cannot be packed to less than it is. */
const noise = () => Buffer.from(Array.from({ length: 200_000 }, () => Math.floor(Math.random() * 256))).toString("latin1");

describe("a commit that is sent", () => {
  it("goes whole the first time, and from then on as one request with what is new", async () => {
    await send(await commit("large", noise()));
    expect(requests.map(({ what }) => what)).toEqual(["GET refs", "POST git-receive-pack"]);
    expect(requests[1]?.bytes).toBeGreaterThan(200_000);
    requests.length = 0;
    const second = await commit("small", "x");
    await send(second);
    expect(requests).toMatchObject([{ what: "POST git-receive-pack" }]);
    expect(requests[0]?.bytes).toBeLessThan(2_000);
    expect(await has(second)).toBe(true);
    // The same once more, and one that is older: nothing is new, and it is said that it is there.
    await send(second);
    await send(await git("rev-parse", "HEAD^"));
    expect(requests.map(({ what }) => what)).toEqual(Array(3).fill("POST git-receive-pack"));
  });

  it("arrives where the other side has forgotten what it had", async () => {
    await send(await commit("large", noise()));
    rmSync(origin, { recursive: true });
    await makeOrigin();
    requests.length = 0;
    const second = await commit("small", "x");
    await send(second);
    expect(requests.map(({ what }) => what)).toEqual(["POST git-receive-pack", "GET refs", "POST git-receive-pack"]);
    expect(await has(second)).toBe(true);
  });

  it("arrives where this side has forgotten it, or what it kept is nonsense", async () => {
    const file = join(folder, ".git/plimsoll-sent");
    for (const kept of [`${"f".repeat(40)} ${url()}\n`, "nonsense\n\0", ""]) {
      writeFileSync(file, kept);
      const next = await commit("next", kept);
      await send(next);
      expect(await has(next)).toBe(true);
      expect(readFileSync(file, "utf8")).toBe(`${next} ${url()}\n`);
    }
  });

  it("is told with git's words where it does not arrive", async () => {
    const id = await commit("one", "1");
    rmSync(origin, { recursive: true });
    await expect(send(id)).rejects.toMatchObject({ code: "unavailable", message: expect.stringMatching(/did not arrive:\n.*not found/) });
  });
});
