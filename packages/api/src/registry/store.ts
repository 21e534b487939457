import { createHash } from "node:crypto";
import { type ClientRequestArgs, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AppError } from "@plimsoll/core";
import { type Action, type RepositoryName, repositoryText } from "./repository.ts";
import type { RegistryTokens } from "./tokens.ts";

/** Every form of manifest that is kept here. */
export const MANIFEST_TYPES = [
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
] as const;
/** What docker-registry takes at most. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

export interface StoredManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export interface StoredBlob {
  readonly digest: string;
  readonly sizeBytes: number;
}

/** docker-registry on its unix socket, as the platform itself uses it: every request has a token of its own, for one repository. */
export class RegistryStore {
  readonly #socketPath: string;
  readonly #tokens: RegistryTokens;
  readonly #agent = new HttpAgent({ keepAlive: true, maxSockets: 64 });

  constructor(socketPath: string, tokens: RegistryTokens) {
    this.#socketPath = socketPath;
    this.#tokens = tokens;
  }

  /** A connection of ours for a request that is passed on as it came. */
  get connection(): ClientRequestArgs {
    return { socketPath: this.#socketPath, agent: this.#agent };
  }

  /** By tag or digest; undefined when there is none. */
  async manifest(repository: RepositoryName, reference: string): Promise<StoredManifest | undefined> {
    const accept = MANIFEST_TYPES.join(", ");
    const answer = await this.#send(repository, ["pull"], "GET", `manifests/${reference}`, { accept });
    if (answer.statusCode === 404) return drained(answer);
    const bytes = await bodyOf(expect(answer, 200));
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    return { digest, mediaType: answer.headers["content-type"] ?? "", bytes };
  }

  async hasBlob(repository: RepositoryName, digest: string): Promise<boolean> {
    const answer = await this.#send(repository, ["pull"], "HEAD", `blobs/${digest}`);
    answer.resume();
    return answer.statusCode === 404 ? false : expect(answer, 200) !== undefined;
  }

  /** A blob's bytes, not checked against its digest; undefined when the repository has none. */
  async openBlob(repository: RepositoryName, digest: string): Promise<IncomingMessage | undefined> {
    const answer = await this.#send(repository, ["pull"], "GET", `blobs/${digest}`);
    return answer.statusCode === 404 ? drained(answer) : expect(answer, 200);
  }

  /** Keeps what is read, under the digest that it turns out to have. */
  async putBlob(repository: RepositoryName, content: Readable): Promise<StoredBlob> {
    const begun = await this.#send(repository, ["pull", "push"], "POST", "blobs/uploads/", { "content-length": "0" });
    begun.resume();
    const hash = createHash("sha256");
    let sizeBytes = 0;
    const counted = async function* (source: AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        hash.update(chunk);
        sizeBytes += chunk.length;
        yield chunk;
      }
    };
    const sent = await this.#stream(repository, "PATCH", locationOf(expect(begun, 202)), content, counted);
    sent.resume();
    const digest = `sha256:${hash.digest("hex")}`;
    const end = withDigest(locationOf(expect(sent, 202)), digest);
    const done = await this.#sendTo(repository, ["pull", "push"], "PUT", end, { "content-length": "0" });
    done.resume();
    expect(done, 201);
    return { digest, sizeBytes };
  }

  /** Keeps a manifest without any tag. */
  async putManifest(repository: RepositoryName, mediaType: string, bytes: Buffer): Promise<string> {
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const headers = { "content-type": mediaType, "content-length": String(bytes.length) };
    const answer = await this.#send(repository, ["pull", "push"], "PUT", `manifests/${digest}`, headers, bytes);
    answer.resume();
    expect(answer, 201);
    return digest;
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(name: RepositoryName, actions: Action[], method: string, path: string, headers: Record<string, string> = {}, body?: Buffer) {
    return this.#sendTo(name, actions, method, `/v2/${repositoryText(name)}/${path}`, headers, body);
  }

  #sendTo(name: RepositoryName, actions: Action[], method: string, path: string, headers: Record<string, string>, body?: Buffer) {
    return new Promise<IncomingMessage>((resolve, reject) => {
      const sent = httpRequest(
        { ...this.connection, method, path, headers: { ...headers, ...this.#authorization(name, actions) } },
        resolve,
      );
      sent.on("error", (cause) => reject(registryAway(cause)));
      sent.end(body);
    });
  }

  async #stream(
    name: RepositoryName,
    method: string,
    path: string,
    content: Readable,
    through: (source: AsyncIterable<Buffer>) => AsyncIterable<Buffer>,
  ): Promise<IncomingMessage> {
    const headers = { "content-type": "application/octet-stream", ...this.#authorization(name, ["pull", "push"]) };
    const sent = httpRequest({ ...this.connection, method, path, headers });
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    promise.catch(() => undefined);
    sent.once("response", resolve);
    sent.on("error", (cause) => reject(registryAway(cause)));
    await pipeline(content, through, sent);
    return promise;
  }

  #authorization(name: RepositoryName, actions: Action[]): Record<string, string> {
    return { authorization: `Bearer ${this.#tokens.issueOwn({ type: "repository", name: repositoryText(name), actions })}` };
  }
}

/** docker-registry does not answer: it is being started again. */
export function registryAway(cause: unknown): AppError {
  return new AppError("unavailable", "The registry does not answer; it is started again by itself: try again in a few seconds.", {
    retry: { afterMs: 2_000 },
    cause,
  });
}

function expect(answer: IncomingMessage, status: number): IncomingMessage {
  if (answer.statusCode === status) return answer;
  answer.resume();
  throw new AppError("unavailable", `The registry answered ${answer.statusCode} where ${status} was expected; try again.`);
}

function drained(answer: IncomingMessage): undefined {
  answer.resume();
}

async function bodyOf(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_MANIFEST_BYTES) throw new AppError("invalid", "The manifest is larger than 4 MiB; no image needs that.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function locationOf(answer: IncomingMessage): string {
  return answer.headers.location ?? "";
}

function withDigest(location: string, digest: string): string {
  return `${location}${location.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`;
}
