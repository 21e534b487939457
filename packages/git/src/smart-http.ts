import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { AppError, type ErrorCode, errorText, toAppError } from "@plimsoll/core";
import type { GitProcess } from "./git-process.ts";
import { encodePacket, FLUSH } from "./pkt-line.ts";
import type { GitLogger, GitPorts, Principal, RepositoryRef } from "./ports.ts";
import { BAD_PATH, type GitService, NO_LFS, parseRepositoryPath } from "./repository-path.ts";

export interface SmartHttpOptions {
  readonly ports: GitPorts;
  readonly logger: GitLogger;
  /** Where it is mounted: `/git`. */
  readonly basePath: string;
  readonly maxRequestBytes: number;
  readonly openGit: (request: {
    readonly principal: Principal;
    readonly service: GitService;
    readonly ref: RepositoryRef;
    readonly protocol: string | undefined;
    /** The first of the two requests: what is there. */
    readonly advertise: boolean;
  }) => Promise<GitProcess>;
}

type Endpoint = { readonly ref: RepositoryRef; readonly service: GitService; readonly advertise: boolean };

/**
 * git's smart HTTP protocol (gitprotocol-http) as a fetch-style handler. Requests and answers are streamed; an answer that is
 * cancelled ends git, not the deploy. Refusals are text/plain, which git clients show as `remote: …`. Never rejects.
 */
export function createSmartHttp(options: SmartHttpOptions): (request: Request) => Promise<Response> {
  return async (request) => {
    if (LFS_PATH.test(new URL(request.url).pathname)) return refuseLfs();
    try {
      const endpoint = parseEndpoint(request, options.basePath);
      const principal = await authenticate(request, options.ports);
      const protocol = /^version=[0-2]$/.exec(request.headers.get("git-protocol") ?? "")?.[0];
      const git = await options.openGit({ ...endpoint, principal, protocol });
      // git's own complaints have no channel in this protocol.
      let stderr = "";
      git.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr = (stderr + text).slice(-2_000);
      });
      void git.ended.then((code) => {
        if (code !== 0) options.logger.info("git ended early on HTTP", { service: endpoint.service, code, stderr });
      });
      if (endpoint.advertise) git.stdin.end();
      else feed(request, git, options);
      const kind = endpoint.advertise ? "advertisement" : "result";
      return new Response(bodyOf(git, preface(endpoint, protocol)), {
        headers: { "content-type": `application/x-${endpoint.service}-${kind}`, "cache-control": "no-cache, max-age=0, must-revalidate" },
      });
    } catch (error) {
      const failure = toAppError(error);
      if (failure.code === "internal") options.logger.error("a git request could not be served", { error: errorText(error) });
      return new Response(`${failure.message}\n`, {
        status: httpStatus(failure.code),
        headers: {
          "content-type": "text/plain; charset=utf-8",
          "cache-control": "no-store",
          ...(failure.code === "unauthenticated" ? { "www-authenticate": 'Basic realm="Plimsoll", charset="UTF-8"' } : {}),
        },
      });
    }
  };
}

const LFS_PATH = /\/info\/lfs(\/|$)/;

/** In the form that its clients show (git-lfs, docs/api/batch.md). */
function refuseLfs(): Response {
  return new Response(JSON.stringify({ message: NO_LFS }), {
    status: 501,
    headers: { "content-type": "application/vnd.git-lfs+json", "cache-control": "no-store" },
  });
}

function parseEndpoint(request: Request, basePath: string): Endpoint {
  const url = new URL(request.url);
  // Not decoded: no name of the platform needs a percent sign.
  const match = /^(.*?)\/(info\/refs|git-receive-pack|git-upload-pack)$/.exec(
    url.pathname.startsWith(`${basePath}/`) ? url.pathname.slice(basePath.length) : "",
  );
  const ref = parseRepositoryPath(match?.[1] ?? "");
  if (match === null) throw new AppError("not_found", "Only git reaches repositories here: git clone, git fetch, git push.");
  if (ref === undefined) throw new AppError("not_found", BAD_PATH);
  if (match[2] === "info/refs") {
    const service = url.searchParams.get("service");
    if (request.method !== "GET") throw new AppError("invalid", "git asks for info/refs with GET.");
    if (service !== "git-receive-pack" && service !== "git-upload-pack") {
      throw new AppError("forbidden", "This git is too old: Plimsoll needs the smart HTTP protocol (git 1.6.6 or later).");
    }
    return { ref, service, advertise: true };
  }
  const service = match[2] as GitService;
  if (request.method !== "POST" || request.headers.get("content-type") !== `application/x-${service}-request`) {
    throw new AppError("invalid", `git asks for ${service} with POST and its own content type.`);
  }
  return { ref, service, advertise: false };
}

/** The token is the password; of a URL without one (https://TOKEN@host/…) it is the user name. */
async function authenticate(request: Request, ports: GitPorts): Promise<Principal> {
  const encoded = /^basic +([A-Za-z0-9+/=]+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (encoded === undefined) {
    throw new AppError("unauthenticated", "Log in with any user name and an API token as password; tokens are made in the portal.");
  }
  const credentials = Buffer.from(encoded, "base64").toString("utf8");
  const colon = credentials.indexOf(":");
  const secret = colon === -1 || colon === credentials.length - 1 ? credentials.replace(/:$/, "") : credentials.slice(colon + 1);
  const principal = secret === "" ? undefined : await ports.authenticateToken(secret);
  if (principal === undefined) {
    throw new AppError("unauthenticated", "That token is not valid, or not any more: make a new one in the portal and use it as password.");
  }
  return principal;
}

/** Streams the request into git, unpacked where the client compressed it. */
function feed(request: Request, git: GitProcess, options: SmartHttpOptions): void {
  const body = request.body === null ? Readable.from([]) : Readable.fromWeb(request.body as import("node:stream/web").ReadableStream);
  const encoding = request.headers.get("content-encoding");
  const unpacked = encoding === "gzip" || encoding === "x-gzip" ? body.pipe(createGunzip()) : body;
  let received = 0;
  let stopped = false;
  const stop = (why: string) => {
    if (stopped) return;
    stopped = true;
    options.logger.info("a git request broke off", { why });
    git.end();
    body.destroy();
  };
  body.on("error", (error) => stop(errorText(error)));
  if (unpacked !== body) unpacked.on("error", (error) => stop(errorText(error)));
  unpacked.on("data", (chunk: Buffer) => {
    git.touch();
    received += chunk.length;
    // git limits the pack itself; this is for what comes before one, and for archives that unpack without end.
    if (received > options.maxRequestBytes) stop(`more than ${options.maxRequestBytes} bytes`);
  });
  unpacked.pipe(git.stdin);
}

function preface({ service, advertise }: Endpoint, protocol: string | undefined): Uint8Array {
  // Protocol 2 begins with its capabilities; only fetching has it.
  if (!advertise || (protocol === "version=2" && service === "git-upload-pack")) return Buffer.alloc(0);
  return Buffer.concat([encodePacket(`# service=${service}\n`), FLUSH]);
}

function bodyOf(git: GitProcess, first: Uint8Array): ReadableStream<Uint8Array> {
  const chunks = git.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  return new ReadableStream({
    start: (controller) => {
      if (first.length > 0) controller.enqueue(new Uint8Array(first));
    },
    pull: async (controller) => {
      // Broken off where the process was ended: git at the other end sees that there is more to come.
      const next = await chunks.next().catch(() => ({ done: true as const, value: undefined }));
      if (next.done === true) controller.close();
      else controller.enqueue(new Uint8Array(next.value));
    },
    cancel: () => git.end(),
  });
}

function httpStatus(code: ErrorCode): number {
  switch (code) {
    case "unauthenticated":
      return 401;
    case "forbidden":
    case "quota_exceeded":
      return 403;
    case "not_found":
      return 404;
    case "rate_limited":
      return 429;
    case "invalid":
      return 400;
    case "unavailable":
      return 503;
    default:
      return 500;
  }
}
