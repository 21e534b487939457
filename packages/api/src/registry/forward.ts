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

/** Passes a request on, and resolves when its answer is through. Throws before any of the answer was sent. */
export function forward(
  connection: ClientRequestArgs,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  { path, count, body }: { readonly path: string; readonly count?: (bytes: number) => void; readonly body?: Buffer },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = Object.fromEntries(
      REQUEST_HEADERS.flatMap((name) => (request.headers[name] === undefined ? [] : [[name, request.headers[name]]])),
    );
    if (body !== undefined) headers["content-length"] = String(body.length);
    const onward = httpRequest({ ...connection, method: request.method, path, headers }, (answered) => {
      for (const [name, value] of Object.entries(answered.headers))
        if (!HOP_BY_HOP.has(name) && value !== undefined) response.setHeader(name, value);
      response.writeHead(answered.statusCode ?? 502);
      answered.once("error", () => response.destroy());
      answered.pipe(response);
      response.once("finish", resolve);
    });
    response.once("close", () => {
      onward.destroy();
      resolve();
    });
    onward.once("error", (cause) => reject(registryAway(cause)));
    if (body !== undefined) return onward.end(body);
    if (count === undefined) return request.pipe(onward);
    const counted = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        try {
          count(chunk.length);
          done(null, chunk);
        } catch (error) {
          done(error as Error);
        }
      },
    });
    counted.once("error", (error) => {
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
