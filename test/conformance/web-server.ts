import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { inNetworkNamespace } from "@plimsoll/host";
import { ARCHIVES } from "./archives.ts";

export interface WebServer {
  /** `http://172.31.4.254:40123`. */
  readonly address: string;
  close(): Promise<void>;
}

/** In a network namespace of its own every port is free. */
export const NETWORK_PORT = 8_080;

/** A server for ADD of URLs: `/hello.txt`, `/dir/name`, and the archives. Everything else is not found. In another network it listens at NETWORK_PORT. */
export async function serveFiles(place: { readonly host: string; readonly network?: string }): Promise<WebServer> {
  const files = new Map<string, string | Uint8Array>([
    ["/hello.txt", "hello\n"],
    ["/dir/name", "named\n"],
    ...Object.entries(ARCHIVES).map(([name, bytes]) => [`/${name}`, bytes] as const),
  ]);
  const server = createServer((request, response) => {
    const body = files.get(new URL(request.url ?? "/", "http://x").pathname);
    response.setHeader("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT");
    response.writeHead(body === undefined ? 404 : 200).end(request.method === "HEAD" ? undefined : body);
  });
  const listening = once(server, "listening");
  if (place.network === undefined) server.listen(0, place.host);
  else inNetworkNamespace(place.network, () => server.listen(NETWORK_PORT));
  await listening;
  return {
    address: `http://${place.host}:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
