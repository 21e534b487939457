import { createHash } from "node:crypto";
import { AppError } from "@plimsoll/core";
import type { DesiredIngress } from "./desired.ts";
import { PAGES } from "./pages.ts";

/** Where the files and sockets of one HAProxy lie. */
export interface IngressPaths {
  readonly config: string;
  readonly hostMap: string;
  readonly stateMap: string;
  readonly runtimeSocket: string;
  readonly masterSocket: string;
  readonly pagesDir: string;
  readonly emptyDir: string;
}

export interface RenderedIngress {
  readonly config: string;
  readonly hostMap: string;
  readonly stateMap: string;
  /** Changes when the running process needs a reload; endpoints, routes and states change at run time. */
  readonly structure: string;
}

/** Requests under way in a worker that was replaced – uploads, pushes, WebSockets – get this long. */
const HARD_STOP = "30m";

/**
 * An idle client connection is kept this long. After a reload it is also how long a connection of a replaced worker can bring one more
 * request, which that worker routes by what it knew: see Ingress.apply().
 */
export const KEEP_ALIVE_MS = 10_000;

/**
 * The full configuration, pure. Endpoints that drain are not in it: a process that starts from it sends them nothing, and requests under
 * way stay with the process that has them. Source of the keywords: HAProxy 2.6 configuration manual.
 */
export function renderIngress(desired: DesiredIngress, paths: IngressPaths): RenderedIngress {
  refuseDoubles(desired);
  const structure = structureOf(desired);
  const config = [
    "global",
    `    stats socket ${paths.runtimeSocket} level admin mode 600 expose-fd listeners`,
    "    user haproxy",
    "    group haproxy",
    // A worker in there could not connect to the platform's sockets by their paths.
    ...(desired.platform === undefined ? [`    chroot ${paths.emptyDir}`] : []),
    "    nbthread 2",
    "    fd-hard-limit 65536",
    `    hard-stop-after ${HARD_STOP}`,
    // Tells a worker of this configuration from one of another.
    `    setenv PLIMSOLL_STRUCTURE ${structure}`,
    "",
    "defaults",
    "    mode http",
    "    timeout connect 3s",
    "    timeout client 75s",
    "    timeout server 120s",
    "    timeout tunnel 2h",
    "    timeout queue 10s",
    // Slow headers hold a connection, not an instance (slowloris).
    "    timeout http-request 15s",
    `    timeout http-keep-alive ${KEEP_ALIVE_MS}ms`,
    "    option http-keep-alive",
    "    option idle-close-on-response",
    "    option forwardfor",
    // Browsers connect ahead of need and may never ask: no error page into such a connection.
    "    option http-ignore-probes",
    // A connection that was never made may go to another endpoint. A request that was sent is sent again only when not a byte came back –
    // usually a kept connection that the instance closed just then – and only where that is safe (RFC 9110, 9.2.2): see the frontend.
    "    retries 3",
    "    retry-on conn-failure empty-response",
    "    option redispatch 1",
    // HAProxy's own 503, where a backend has no server: the page shows what the backend's state says. Not a rule on nbsrv(), which is 0 in a
    // worker that was replaced and still answers on kept connections.
    `    http-error status 503 content-type "text/html; charset=utf-8" lf-file ${paths.pagesDir}/nothing-ready.html hdr retry-after 2 hdr cache-control no-store`,
    ...[502, 504].map(
      (status) =>
        `    http-error status ${status} content-type "text/html; charset=utf-8" file ${paths.pagesDir}/no-answer.html hdr cache-control no-store`,
    ),
    "",
    ...frontend(desired, paths),
    ...platformBackends(desired, paths),
    ...desired.backends.flatMap((backend) => [
      `backend ${checkedId(backend.id)}`,
      "    balance roundrobin",
      ...backend.endpoints
        .filter(({ state }) => state === "ready")
        .map(({ id, address, port }) => `    server ${checkedId(id)} ${checkedAddress(address)}:${checkedPort(port)}`),
      "",
    ]),
  ].join("\n");
  return {
    config: `${config}\n`,
    hostMap: desired.routes.map(({ host, backendId }) => `${checkedHost(host)} ${checkedId(backendId)}\n`).join(""),
    stateMap: desired.backends.map(({ id, state }) => `${checkedId(id)} ${state}\n`).join(""),
    structure,
  };
}

/** HAProxy would refuse some of these and quietly take the first of others. A route whose backend is not there is no error: it answers 503. */
function refuseDoubles(desired: DesiredIngress): void {
  const once = (what: string, names: readonly string[]) => {
    const seen = new Set<string>();
    const double = names.find((name) => seen.size === seen.add(name).size);
    if (double !== undefined)
      throw new AppError("invalid", `The ingress cannot have ${what} ${JSON.stringify(double.slice(0, 100))} twice.`);
  };
  once(
    "the host name",
    desired.routes.map(({ host }) => host),
  );
  once("the backend", ["platform_api", "platform_portal", ...desired.backends.map(({ id }) => id)]);
  for (const backend of desired.backends)
    once(
      `in backend ${backend.id} the endpoint`,
      backend.endpoints.map(({ id }) => id),
    );
}

/** What a reload is needed for: addresses, the platform's pages, and which backends there are. */
function structureOf(desired: DesiredIngress): string {
  const text = JSON.stringify([4, PAGES, desired.listen, desired.platform ?? null, desired.backends.map(({ id }) => id).sort()]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** The host name that a client asks for: without port, in lower case, without the dot that a full name may end with. */
const HOST_NAME = "req.hdr(host),host_only,lower,rtrim(.)";

function frontend(desired: DesiredIngress, paths: IngressPaths): readonly string[] {
  const page = `content-type "text/html; charset=utf-8" hdr cache-control no-store file ${paths.pagesDir}/unknown-host.html`;
  const notPlatform = desired.platform === undefined ? "" : "!platform ";
  return [
    "frontend public",
    ...desired.listen.map(({ address, port }) => `    bind ${checkedAddress(address)}:${checkedPort(port)}`),
    "    http-request disable-l7-retry unless METH_GET",
    "    http-request del-header X-Forwarded-For",
    "    http-request del-header Forwarded",
    "    http-request set-header X-Forwarded-Host %[req.hdr(host)]",
    "    http-request set-header X-Forwarded-Proto http if !{ ssl_fc }",
    "    http-request set-header X-Forwarded-Proto https if { ssl_fc }",
    ...(desired.platform === undefined
      ? []
      : [
          `    acl platform ${HOST_NAME} -m str ${checkedHost(desired.platform.domain)}`,
          "    acl of_api path /api /v2",
          "    acl of_api path_beg /api/ /git/ /v2/",
        ]),
    `    http-request set-var(txn.backend) ${HOST_NAME},map(${paths.hostMap})`,
    `    http-request return status 404 ${page} if ${notPlatform}!{ var(txn.backend) -m found }`,
    `    http-request set-var(txn.state) var(txn.backend),map(${paths.stateMap})`,
    // Processed after all http-request rules, wherever they stand.
    ...(desired.platform === undefined
      ? []
      : ["    use_backend platform_api if platform of_api", "    use_backend platform_portal if platform"]),
    "    use_backend %[var(txn.backend)]",
    "",
  ];
}

function platformBackends(desired: DesiredIngress, paths: IngressPaths): readonly string[] {
  if (desired.platform === undefined) return [];
  const backend = (name: string, socket: string, timeout: string, away: string) => [
    `backend ${name}`,
    `    timeout server ${timeout}`,
    // Nothing of a watch is held back to fill a packet.
    "    option http-no-delay",
    ...[502, 503, 504].map((status) => `    errorfile ${status} ${paths.pagesDir}/${away}`),
    `    server ${name} unix@${checkedPath(socket)}`,
    "",
  ];
  return [
    // Watches and log streams stay open; the API sends something every 15 s.
    ...backend("platform_api", desired.platform.apiSocket, "24h", "api-away.http"),
    ...backend("platform_portal", desired.platform.portalSocket, "60s", "platform-away.http"),
  ];
}

/** Nothing that is not of our own making gets into a configuration line (invariant 8): refused, not escaped. */
function checked(what: string, pattern: RegExp, text: string): string {
  if (pattern.test(text)) return text;
  throw new AppError("invalid", `${JSON.stringify(text.slice(0, 100))} cannot be ${what} at the ingress.`);
}
export const checkedId = (text: string) => checked("an id", /^[A-Za-z0-9_-]{1,80}$/, text);
export const checkedHost = (text: string) =>
  checked("a host name", /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*$/, text);
export const checkedAddress = (text: string) =>
  checked("an address", /^((25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}|\*|::)$/, text);
const checkedPath = (text: string) => checked("a socket", /^\/[A-Za-z0-9_./-]{1,106}$/, text);

export function checkedPort(port: number): number {
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new AppError("invalid", `${port} is no port.`);
}
