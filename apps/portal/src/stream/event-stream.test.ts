import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { ServerEvent } from "./event-parser.ts";
import { type FollowState, followEventStream } from "./event-stream.ts";

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/log`;
}

async function follow(url: string): Promise<{ events: ServerEvent[]; states: FollowState[] }> {
  const events: ServerEvent[] = [];
  const states: FollowState[] = [];
  await followEventStream({
    signal: AbortSignal.timeout(8_000),
    url: () => url,
    onState: (state) => states.push(state),
    onEvent: (event) => {
      events.push(event);
      return event.event === "end" ? "end" : "more";
    },
  });
  return { events, states };
}

const STREAM = { "content-type": "text/event-stream" };

describe("following a stream", () => {
  it("carries on after the last event when the connection breaks", async () => {
    const resumedFrom: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      const from = request.headers["last-event-id"];
      resumedFrom.push(typeof from === "string" ? from : undefined);
      response.writeHead(200, STREAM);
      if (from === undefined) response.write("id: 4\ndata: a\n\n", () => response.destroy());
      else response.end("id: 5\ndata: b\n\nevent: end\ndata: {}\n\n");
    });
    const { events, states } = await follow(url);
    expect(events.map((event) => event.data)).toEqual(["a", "b", "{}"]);
    expect(resumedFrom).toEqual([undefined, "4"]);
    expect(states.map((state) => state.kind)).toEqual(["connecting", "live", "reconnecting", "live", "ended"]);
  });

  it("gives up where it is refused, with the reason", async () => {
    const url = await serve((_request, response) => {
      response.writeHead(404, { "content-type": "application/problem+json" });
      response.end(JSON.stringify({ type: "x", title: "Not found", status: 404, code: "not_found", detail: "There is no build 9." }));
    });
    const { states } = await follow(url);
    const last = states.at(-1);
    expect(last?.kind === "refused" && last.error.problem.detail).toBe("There is no build 9.");
  });

  it("tries again where the answer may change, and says why it waits", async () => {
    let tries = 0;
    const url = await serve((_request, response) => {
      if (++tries === 1) {
        response.writeHead(503, { "content-type": "application/problem+json" });
        return response.end(
          JSON.stringify({ type: "x", title: "x", status: 503, code: "unavailable", detail: "Host host-a has not been heard of." }),
        );
      }
      response.writeHead(200, STREAM);
      // An error in the middle of the stream, then the end.
      if (tries === 2) return response.end('event: error\ndata: {"code":"unavailable","status":503,"detail":"Host host-a stopped."}\n\n');
      return response.end("event: end\n\n");
    });
    const { states } = await follow(url);
    expect(states.flatMap((state) => (state.kind === "reconnecting" ? [state.error?.problem.detail] : []))).toEqual([
      "Host host-a has not been heard of.",
      "Host host-a stopped.",
    ]);
    expect(states.at(-1)?.kind).toBe("ended");
  });

  it("asks ever more rarely for a stream that ends at once", async () => {
    let tries = 0;
    const url = await serve((_request, response) => {
      tries++;
      response.writeHead(200, STREAM).end(": hi\n\n");
    });
    await followEventStream({ signal: AbortSignal.timeout(2_500), url: () => url, onState: () => undefined, onEvent: () => "more" });
    expect(tries).toBeLessThanOrEqual(5);
  });
});
