import { appendFileSync } from "node:fs";
import http from "node:http";
import { start } from "@plimsoll/exec";

/*
 * For tests, a program: a server on 127.0.0.1 of the network that it is started in. Serves what its argument says, and the repositories
 * of a directory below /git/ through git's own CGI program.
 */

export interface ServedFile {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** A request with its tag gets 304. */
  readonly heedsTags?: true;
  /** Ends in the middle. */
  readonly torn?: boolean;
}

export interface Served {
  readonly port: number;
  readonly files: Readonly<Record<string, ServedFile>>;
  readonly repositories?: string;
  /** A file that gets a line for each request: path and If-None-Match. */
  readonly log?: string;
}

async function serveGit(root: string, url: URL, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const env = {
    PATH: process.env.PATH ?? "",
    GIT_PROJECT_ROOT: root,
    GIT_HTTP_EXPORT_ALL: "1",
    PATH_INFO: url.pathname.slice("/git".length),
    QUERY_STRING: url.search.slice(1),
    REQUEST_METHOD: request.method ?? "GET",
    CONTENT_TYPE: request.headers["content-type"] ?? "",
    GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
    ...(request.headers["content-encoding"] === undefined ? {} : { HTTP_CONTENT_ENCODING: request.headers["content-encoding"] }),
  };
  const child = await start(["git", "-c", "safe.directory=*", "http-backend"], { stdio: ["pipe", "pipe", "inherit"], env });
  if (child.stdin !== null) request.pipe(child.stdin);
  const chunks: Buffer[] = [];
  for await (const chunk of (child.stdout ?? []) as AsyncIterable<Buffer>) chunks.push(chunk);
  const all = Buffer.concat(chunks);
  const end = all.indexOf("\r\n\r\n");
  for (const line of all.toString("latin1", 0, end).split("\r\n")) {
    const [name = "", value = ""] = line.split(": ", 2);
    if (name === "Status") response.statusCode = Number.parseInt(value, 10);
    else response.setHeader(name, value);
  }
  response.end(all.subarray(end + 4));
}

const { port, files, repositories, log } = JSON.parse(process.argv[2] ?? "") as Served;
const server = http.createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://server.test");
  if (repositories !== undefined && url.pathname.startsWith("/git/")) {
    void serveGit(repositories, url, request, response);
    return;
  }
  const file = files[url.pathname];
  if (log !== undefined) appendFileSync(log, `${url.pathname} ${request.headers["if-none-match"] ?? ""}\n`);
  if (file?.heedsTags === true && request.headers["if-none-match"] === file.headers?.etag) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(file === undefined ? 404 : (file.status ?? 200), { ...file?.headers });
  if (file?.torn === true) {
    response.write(file.body ?? "");
    setImmediate(() => response.destroy());
  } else {
    response.end(file?.body ?? "");
  }
});
server.listen(port, "127.0.0.1", () => process.stdout.write("ready\n"));
