import type { Readable } from "node:stream";
import {
  BuildClaim,
  type BuildProgress,
  type BuildResult,
  DesiredState,
  type DiskReport,
  type EnrollRequest,
  EnrollResponse,
  type HostReport,
  type HostUpdate,
  Problem,
} from "@plimsoll/contracts";
import { AppError, type ErrorCode, type PackageList } from "@plimsoll/core";
import { Agent as Dispatcher, request } from "undici";
import type { Identity } from "./identity.ts";

/** The server as the agent sees it. Every call throws AppError: the server's own code and sentence, or `unavailable`. */
export interface ServerApi {
  enroll(body: EnrollRequest): Promise<EnrollResponse>;
  /** What this host is, as its settings say now. */
  update(body: HostUpdate): Promise<void>;
  desired(): Promise<DesiredState>;
  report(report: HostReport): Promise<void>;
  /** The disk ledger, in place of the one before. */
  disk(report: DiskReport): Promise<void>;
  /** What is in an image that was to be listed; undefined: it is not here any more. */
  packages(image: string, list: PackageList | undefined): Promise<void>;
  claimBuild(uid: string): Promise<BuildClaim>;
  buildProgress(uid: string, epoch: number, entries: readonly BuildProgress[]): Promise<void>;
  /** With the last of its progress. */
  buildResult(uid: string, epoch: number, result: BuildResult, lastWords: readonly BuildProgress[]): Promise<void>;
  /** The archive of a layer that another host has. */
  fetchLayer(digest: string): Promise<Readable>;
  /** The manifest of an image in the platform's registry, for a namespace that this host builds for. */
  imageManifest(namespaceUid: string, reference: string): Promise<string>;
  imageBlob(namespaceUid: string, reference: string, digest: string): Promise<Readable>;
  /** Streams the answer to a StreamRequest; resolves when the reader has it all or has gone. */
  answerStream(id: string, body: Readable): Promise<void>;
  /** One stateless round of git's upload-pack for `<team>/<namespace>/<app>`; the token is that of the build. */
  uploadPack(repository: string, token: string, body: Uint8Array): Promise<Readable>;
  close(): Promise<void>;
}

const CALL_TIMEOUT_MS = 10_000;
/** An image of a release is brought to the registry when it is first asked for. */
const IMAGE_TIMEOUT_MS = 20 * 60_000;

/** A client for `unix:/path` or `https://address:port`; TLS takes the identity's certificate and trusts the platform's authority alone. */
export function createServerApi(api: string, identity: Identity): ServerApi {
  const unix = api.startsWith("unix:") ? api.slice("unix:".length) : undefined;
  const origin = unix === undefined ? api : "http://plimsoll";
  const dispatcher = new Dispatcher({
    connections: 32,
    headersTimeout: CALL_TIMEOUT_MS,
    bodyTimeout: 0,
    connect:
      unix === undefined
        ? {
            timeout: 5_000,
            servername: "plimsoll-server",
            ...tlsOptions(identity.tls),
          }
        : { socketPath: unix },
  });

  async function call(method: "GET" | "POST" | "PUT", path: string, body?: unknown, headersTimeout = CALL_TIMEOUT_MS) {
    const stream = isReadable(body);
    try {
      return await request(`${origin}/api/agent/v1${path}`, {
        method,
        dispatcher,
        headersTimeout,
        headers: {
          ...(identity.credential === undefined ? {} : { authorization: `Bearer ${identity.credential}` }),
          ...(body === undefined ? {} : { "content-type": stream ? "application/octet-stream" : "application/json" }),
        },
        ...(body === undefined ? {} : { body: stream ? body : JSON.stringify(body) }),
      });
    } catch (cause) {
      throw new AppError("unavailable", "The server does not answer; the agent goes on with what it knows and tries again.", { cause });
    }
  }

  async function json(method: "GET" | "POST" | "PUT", path: string, body?: unknown): Promise<unknown> {
    const response = await call(method, path, body);
    const text = await response.body.text();
    if (response.statusCode >= 400) throw refused(response.statusCode, text);
    return text === "" ? undefined : JSON.parse(text);
  }

  return {
    enroll: async (body) => EnrollResponse.parse(await json("POST", "/enroll", body)),
    update: async (body) => void (await json("PUT", "/host", body)),
    desired: async () => DesiredState.parse(await json("GET", "/desired")),
    disk: async (report) => void (await json("PUT", "/disk", report)),
    report: async (report) => void (await json("POST", "/report", report)),
    packages: async (image, list) => void (await json("PUT", `/images/${image}/packages`, { list })),
    claimBuild: async (uid) => BuildClaim.parse(await json("POST", `/builds/${uid}/claim`)),
    buildProgress: async (uid, epoch, entries) => void (await json("POST", `/builds/${uid}/progress`, { epoch, entries })),
    buildResult: async (uid, epoch, result, lastWords) =>
      void (await json("POST", `/builds/${uid}/result`, { epoch, result, entries: lastWords })),
    async fetchLayer(digest) {
      const response = await call("GET", `/layers/${digest}`, undefined, 60_000);
      if (response.statusCode >= 400) throw refused(response.statusCode, await response.body.text());
      return response.body;
    },
    async imageManifest(namespaceUid, reference) {
      const path = `/namespaces/${namespaceUid}/image-manifest?reference=${encodeURIComponent(reference)}`;
      const response = await call("GET", path, undefined, IMAGE_TIMEOUT_MS);
      const text = await response.body.text();
      if (response.statusCode >= 400) throw refused(response.statusCode, text);
      return text;
    },
    async imageBlob(namespaceUid, reference, digest) {
      const path = `/namespaces/${namespaceUid}/image-blobs/${digest}?reference=${encodeURIComponent(reference)}`;
      const response = await call("GET", path, undefined, 60_000);
      if (response.statusCode >= 400) throw refused(response.statusCode, await response.body.text());
      return response.body;
    },
    async answerStream(id, body) {
      const response = await call("POST", `/streams/${id}`, body, 24 * 3_600_000);
      await response.body.dump();
    },
    async uploadPack(repository, token, body) {
      const response = await request(`${origin}/git/${repository}.git/git-upload-pack`, {
        method: "POST",
        dispatcher,
        headersTimeout: 60_000,
        headers: {
          authorization: `Basic ${Buffer.from(`build:${token}`).toString("base64")}`,
          "content-type": "application/x-git-upload-pack-request",
          accept: "application/x-git-upload-pack-result",
        },
        body,
      });
      if (response.statusCode >= 400) throw refused(response.statusCode, await response.body.text());
      return response.body;
    },
    close: () => dispatcher.close(),
  };
}

/** Before a host has its certificate, it only trusts; after, it is also known. */
function tlsOptions(tls: Identity["tls"]) {
  if (tls === undefined) return {};
  return tls.certificatePem === "" ? { ca: tls.authorityPem } : { ca: tls.authorityPem, cert: tls.certificatePem, key: tls.keyPem };
}

function isReadable(value: unknown): value is Readable {
  return typeof value === "object" && value !== null && "pipe" in value;
}

/** What a server that refuses says, as the AppError that it was there. */
export function refused(status: number, text: string): AppError {
  const problem = Problem.safeParse(safeJson(text));
  if (!problem.success) return new AppError("unavailable", `The server answered ${status} in a way this agent does not understand.`);
  return new AppError(problem.data.code as ErrorCode, problem.data.detail);
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
