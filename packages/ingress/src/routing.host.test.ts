import { run } from "@plimsoll/exec";
import { describe, expect, it } from "vitest";
import { eachOnIngressHost, echoUpgrades } from "./testing/ingress-host.ts";

const host = eachOnIngressHost();

describe("routing", () => {
  it("goes by host name, whatever its case, port and final dot", async () => {
    const [one, two] = [await host.instance("one"), await host.instance("two")];
    await host.ingress.apply(
      host.wish([one], {
        routes: [
          { host: "a.localhost", backendId: "b1" },
          { host: "b.localhost", backendId: "b2" },
        ],
        backends: [
          { id: "b1", state: "ready", endpoints: [one] },
          { id: "b2", state: "ready", endpoints: [two] },
        ],
      }),
    );
    expect((await host.get("a.localhost")).body).toBe("one");
    expect((await host.get(`B.LocalHost.:${host.port}`)).body).toBe("two");
    expect((await host.get("[::1]:80")).status).toBe(404);
  });

  it("tells the instance who asked, and nobody can claim otherwise", async () => {
    const echo = await host.instance("echo", (incoming, response) => response.end(JSON.stringify(incoming.headers)));
    await host.ingress.apply(host.wish([echo]));
    const { body } = await host.get("a.localhost", "/", {
      headers: { "x-forwarded-for": "1.2.3.4", forwarded: "for=1.2.3.4", "x-forwarded-proto": "https" },
    });
    const seen = JSON.parse(body) as Record<string, string>;
    expect(seen).toMatchObject({ "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "a.localhost" });
    expect(seen.forwarded).toBeUndefined();
  });

  it("follows a new endpoint, a new route and a moved route without a reload", async () => {
    const [one, two] = [await host.instance("one"), await host.instance("two")];
    const both = [
      { id: "b1", state: "ready" as const, endpoints: [one] },
      { id: "b2", state: "ready" as const, endpoints: [two] },
    ];
    await host.ingress.apply(host.wish([], { backends: both }));
    const workers = await host.workers();
    await host.ingress.apply(
      host.wish([], {
        backends: both,
        routes: [
          { host: "a.localhost", backendId: "b2" },
          { host: "new.localhost", backendId: "b1" },
        ],
      }),
    );
    expect([(await host.get("a.localhost")).body, (await host.get("new.localhost")).body]).toEqual(["two", "one"]);
    await host.ingress.apply(host.wish([], { backends: both, routes: [] }));
    expect((await host.get("a.localhost")).status).toBe(404);
    expect(await host.workers()).toEqual(workers);
  });

  it("sends portal, API and git to their sockets on the platform's domain", async () => {
    const portalSocket = await host.onSocket("portal", (incoming, response) => response.end(`portal ${incoming.url}`));
    const apiSocket = await host.onSocket("api", (incoming, response) => response.end(`api ${incoming.url}`));
    await run(["chmod", "755", host.dir]);
    await host.ingress.apply(host.wish([], { platform: { domain: "plim.localhost", portalSocket, apiSocket } }));
    const answers = await Promise.all(
      ["/", "/claim/AB", "/apiary", "/api", "/api/v1/x", "/git/t/n/a.git"].map((path) => host.get("plim.localhost", path)),
    );
    expect(answers.map(({ body }) => body)).toEqual([
      "portal /",
      "portal /claim/AB",
      "portal /apiary",
      "api /api",
      "api /api/v1/x",
      "api /git/t/n/a.git",
    ]);
  });

  it("passes WebSocket upgrades in both directions, and answers that stream", async () => {
    let endStream = () => {};
    const echo = await host.instance("ws", (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: first\n\n");
      endStream = () => response.end("data: second\n\n");
    });
    echoUpgrades(host.servers.at(-1));
    await host.ingress.apply(host.wish([echo]));
    const socket = host.openWebSocket();
    await socket.hear("101 Switching");
    socket.say("ping");
    await socket.hear("echo ping");
    socket.close();

    // The second part is sent only when the first has come through.
    const { body } = await host.get("a.localhost", "/", { onData: () => endStream() });
    expect(body).toBe("data: first\n\ndata: second\n\n");
  });
});

describe("pages", () => {
  it("say that a host is unknown, that nothing is ready, that an app is being deployed", async () => {
    await host.ingress.apply(host.wish([], {}, "empty"));
    const unknown = await host.get("nobody.localhost");
    expect([unknown.status, unknown.headers["content-type"]]).toEqual([404, "text/html; charset=utf-8"]);
    expect(unknown.body).toContain("Nothing lives at this address");
    const empty = await host.get("a.localhost");
    expect([empty.status, empty.headers["retry-after"], empty.headers["cache-control"]]).toEqual([503, "2", "no-store"]);
    expect(empty.body).toContain('<body class="empty">');
    await host.ingress.apply(host.wish([], {}, "deploying"));
    expect((await host.get("a.localhost")).body).toContain('<body class="deploying">');
  });

  it("say that an app broke a request off", async () => {
    await host.ingress.apply(host.wish([await host.instance("bad", (incoming) => incoming.socket.destroy())]));
    const { status, body } = await host.get("a.localhost", "/", { method: "POST" });
    expect(status).toBe(502);
    expect(body).toContain("The app does not answer");
  });

  it("say that portal or API are away: a page to people, problem details to programs", async () => {
    await host.ingress.apply(
      host.wish([], { platform: { domain: "plim.localhost", portalSocket: host.at("no1"), apiSocket: host.at("no2") } }),
    );
    const [portal, api] = await Promise.all([host.get("plim.localhost"), host.get("plim.localhost", "/api/v1/x")]);
    expect([portal.status, portal.headers["content-type"]]).toEqual([503, "text/html; charset=utf-8"]);
    expect([api.status, api.headers["content-type"]]).toEqual([503, "application/problem+json"]);
    expect(JSON.parse(api.body)).toMatchObject({ code: "unavailable", status: 503 });
  }, 15_000);
});
