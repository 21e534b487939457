import { type ClientRequestArgs, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { Transform } from "node:stream";
import { AppError } from "@plimsoll/core";
import { registryAway } from "./store.ts";

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** What goes on to docker-registry and comes back from it. */
const REQUEST_HEADERS = [
  "authorization",
  "accept",
  "content-type",
  "content-length",
  "content-range",
  "range",
  "if-none-match",
  "user-agent",
];
const HOP_BY_HOP = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade", "trailer", "te", "proxy-authenticate"]);

export interface Forwarding {
  readonly path: string;
  /** Told of each piece of the body; ends the request by rejecting. */
  readonly count?: (bytes: number) => Promise<void>;
  /** Instead of the request's own. */
  readonly body?: Buffer;
  /** Once docker-registry has answered, and before the client hears of it. */
  readonly beforeAnswer?: (status: number) => Promise<void>;
}

/** Passes a request on, and resolves when its answer is through. Throws before any of the answer was sent. */
export function forward(
  connection: ClientRequestArgs,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  { path, count, body, beforeAnswer }: Forwarding,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = Object.fromEntries(
      REQUEST_HEADERS.flatMap((name) => (request.headers[name] === undefined ? [] : [[name, request.headers[name]]])),
    );
    if (body !== undefined) headers["content-length"] = String(body.length);
    const answer = async (answered: IncomingMessage) => {
      answered.on("error", () => response.destroy());
      const status = answered.statusCode ?? 502;
      await beforeAnswer?.(status);
      for (const [name, value] of Object.entries(answered.headers))
        if (!HOP_BY_HOP.has(name) && value !== undefined) response.setHeader(name, value);
      response.writeHead(status);
      answered.pipe(response);
      response.once("finish", resolve);
    };
    const onward = httpRequest({ ...connection, method: request.method, path, headers }, (answered) => {
      answer(answered).catch((error: unknown) => {
        answered.resume();
        reject(error);
      });
    });
    response.once("close", () => {
      onward.destroy();
      resolve();
    });
    // More than one may come: the end of a connection that was ended is none.
    onward.on("error", (cause) => reject(registryAway(cause)));
    if (body !== undefined) return onward.end(body);
    if (count === undefined) return request.pipe(onward);
    const counted = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        count(chunk.length).then(() => done(null, chunk), done);
      },
    });
    counted.on("error", (error) => {
      // Rejected first: what comes of ending the connection says less.
      reject(error);
      request.unpipe(counted);
      onward.destroy();
    });
    request.pipe(counted).pipe(onward);
  });
}

/** A manifest, whole: it is small. Throws `invalid` for one of more than 4 MiB. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = () => new AppError("invalid", "The manifest is larger than 4 MiB; no image needs that.");
  if (Number(request.headers["content-length"] ?? 0) > MAX_MANIFEST_BYTES) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_MANIFEST_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
