import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DesiredIngress } from "./desired.ts";
import { PAGES } from "./pages.ts";
import { type IngressPaths, renderIngress } from "./render.ts";

const paths: IngressPaths = {
  config: "/run/p/haproxy.cfg",
  hostMap: "/run/p/hosts.map",
  stateMap: "/run/p/states.map",
  runtimeSocket: "/run/p/haproxy.sock",
  masterSocket: "/run/p/master.sock",
  pagesDir: "/run/p/pages",
  emptyDir: "/run/p/empty",
};

const desired: DesiredIngress = {
  listen: [{ address: "127.0.0.1", port: 8080 }],
  platform: { domain: "localhost", portalSocket: "/run/p/portal.sock", apiSocket: "/run/p/api.sock" },
  routes: [{ host: "shop-store.localhost", backendId: "prc_1" }],
  backends: [
    {
      id: "prc_1",
      state: "ready",
      endpoints: [
        { id: "ins_1", address: "10.64.0.2", port: 8080, state: "ready" },
        { id: "ins_2", address: "10.64.16.2", port: 8080, state: "draining" },
      ],
    },
  ],
};
const withBackend = (change: object): DesiredIngress => ({ ...desired, backends: [{ ...desired.backends[0], ...change } as never] });
const { platform: _, ...withoutPlatform } = desired;

describe("the configuration", () => {
  it("is the whole of what is desired", () => {
    const { config, hostMap, stateMap } = renderIngress(desired, paths);
    expect(config.replace(/STRUCTURE \w+/, "STRUCTURE x")).toMatchInlineSnapshot(`
      "global
          stats socket /run/p/haproxy.sock level admin mode 600 expose-fd listeners
          user haproxy
          group haproxy
          nbthread 2
          fd-hard-limit 65536
          hard-stop-after 30m
          setenv PLIMSOLL_STRUCTURE x

      defaults
          mode http
          timeout connect 3s
          timeout client 75s
          timeout server 120s
          timeout tunnel 2h
          timeout queue 10s
          timeout http-request 15s
          timeout http-keep-alive 10000ms
          option http-keep-alive
          option idle-close-on-response
          option forwardfor
          option http-ignore-probes
          retries 3
          retry-on conn-failure empty-response
          option redispatch 1
          http-error status 503 content-type "text/html; charset=utf-8" lf-file /run/p/pages/nothing-ready.html hdr retry-after 2 hdr cache-control no-store
          http-error status 502 content-type "text/html; charset=utf-8" file /run/p/pages/no-answer.html hdr cache-control no-store
          http-error status 504 content-type "text/html; charset=utf-8" file /run/p/pages/no-answer.html hdr cache-control no-store

      frontend public
          bind 127.0.0.1:8080
          http-request disable-l7-retry unless METH_GET
          http-request del-header X-Forwarded-For
          http-request del-header Forwarded
          http-request set-header X-Forwarded-Host %[req.hdr(host)]
          http-request set-header X-Forwarded-Proto http if !{ ssl_fc }
          http-request set-header X-Forwarded-Proto https if { ssl_fc }
          acl platform req.hdr(host),host_only,lower,rtrim(.) -m str localhost
          acl of_api path /api /v2
          acl of_api path_beg /api/ /git/ /v2/
          http-request set-var(txn.backend) req.hdr(host),host_only,lower,rtrim(.),map(/run/p/hosts.map)
          http-request return status 404 content-type "text/html; charset=utf-8" hdr cache-control no-store file /run/p/pages/unknown-host.html if !platform !{ var(txn.backend) -m found }
          http-request set-var(txn.state) var(txn.backend),map(/run/p/states.map)
          use_backend platform_api if platform of_api
          use_backend platform_portal if platform
          use_backend %[var(txn.backend)]

      backend platform_api
          timeout server 24h
          option http-no-delay
          errorfile 502 /run/p/pages/api-away.http
          errorfile 503 /run/p/pages/api-away.http
          errorfile 504 /run/p/pages/api-away.http
          server platform_api unix@/run/p/api.sock

      backend platform_portal
          timeout server 60s
          option http-no-delay
          errorfile 502 /run/p/pages/platform-away.http
          errorfile 503 /run/p/pages/platform-away.http
          errorfile 504 /run/p/pages/platform-away.http
          server platform_portal unix@/run/p/portal.sock

      backend prc_1
          balance roundrobin
          server ins_1 10.64.0.2:8080

      "
    `);
    expect(hostMap).toBe("shop-store.localhost prc_1\n");
    expect(stateMap).toBe("prc_1 ready\n");
  });

  it("confines the worker to an empty directory where it needs no socket of the platform", () => {
    const { config } = renderIngress(withoutPlatform, paths);
    expect(config).toContain("    chroot /run/p/empty\n");
    expect(config).not.toContain("platform");
  });

  it("keeps its structure through changes of endpoints, routes and states, and changes it with all else", () => {
    const { structure } = renderIngress(desired, paths);
    const same = [withBackend({ endpoints: [] }), withBackend({ state: "deploying" }), { ...desired, routes: [] }];
    expect(same.map((other) => renderIngress(other, paths).structure)).toEqual([structure, structure, structure]);
    const others = [
      withoutPlatform,
      { ...desired, listen: [{ address: "*", port: 80 }] },
      { ...desired, backends: [...desired.backends, { id: "prc_2", state: "empty" as const, endpoints: [] }] },
    ];
    for (const other of others) expect(renderIngress(other, paths).structure).not.toBe(structure);
  });
});

describe("a desired state that cannot be", () => {
  const endpoint = { id: "ins_1", address: "10.64.0.2", port: 80, state: "ready" as const };
  it.each<[string, DesiredIngress]>([
    ["a host name with a line break", { ...desired, routes: [{ host: "a.b\nuse_backend x", backendId: "prc_1" }] }],
    ["a host name with a space", { ...desired, routes: [{ host: "a b", backendId: "prc_1" }] }],
    ["an empty host name", { ...desired, routes: [{ host: "", backendId: "prc_1" }] }],
    ["a host name in capitals, which no request would match", { ...desired, routes: [{ host: "Shop.localhost", backendId: "prc_1" }] }],
    ["a host name that two routes claim", { ...desired, routes: [...desired.routes, ...desired.routes] }],
    ["a backend id with a line break", withBackend({ id: "x\n" })],
    ["two backends of one id", { ...desired, backends: [...desired.backends, ...desired.backends] }],
    ["a backend id that is one of ours", withBackend({ id: "platform_api" })],
    ["an endpoint id with a space", withBackend({ endpoints: [{ ...endpoint, id: "a b" }] })],
    ["two endpoints of one id", withBackend({ endpoints: [endpoint, endpoint] })],
    ["an address that is none", withBackend({ endpoints: [{ ...endpoint, address: "10.0.0.999" }] })],
    ["port 0", withBackend({ endpoints: [{ ...endpoint, port: 0 }] })],
    ["a socket with a line break", { ...desired, platform: { domain: "localhost", portalSocket: "/a\nb", apiSocket: "/a" } }],
  ])("is refused: %s", (_name, bad) => {
    expect(() => renderIngress(bad, paths)).toThrow(expect.objectContaining({ code: "invalid" }));
  });

  it("never puts a foreign line into any file", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (host, id, address) => {
        const wish = {
          ...desired,
          routes: [{ host, backendId: id }],
          backends: [{ id, state: "ready" as const, endpoints: [{ id, address, port: 80, state: "ready" as const }] }],
        };
        let lines: readonly string[];
        try {
          const { config, hostMap, stateMap } = renderIngress(wish, paths);
          lines = [config, hostMap, stateMap].join("").split("\n");
        } catch {
          return;
        }
        expect(lines.length).toBe(
          Object.values(renderIngress(withBackend({ endpoints: [] }), paths))
            .join("")
            .split("\n").length + 1,
        );
      }),
    );
  });
});

describe("the pages", () => {
  it("fit into HAProxy's buffer and follow the reader's colour scheme", () => {
    for (const [name, content] of Object.entries(PAGES)) {
      expect(Buffer.byteLength(content)).toBeLessThan(8_000);
      if (name.endsWith(".html")) expect(content).toContain("prefers-color-scheme:dark");
    }
  });

  it("declare their true length where they are whole answers", () => {
    for (const name of ["platform-away.http", "api-away.http"]) {
      const [head = "", body = ""] = (PAGES[name] ?? "").split("\r\n\r\n");
      expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}`);
    }
    expect(JSON.parse((PAGES["api-away.http"] ?? "").split("\r\n\r\n")[1] ?? "")).toMatchObject({ status: 503, code: "unavailable" });
  });
});
