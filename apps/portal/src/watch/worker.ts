import { API, request } from "#api/request.ts";
import { readEventStream } from "#stream/event-stream.ts";
import { createHub } from "./hub.ts";
import type { FromTab } from "./protocol.ts";

/** Runs once per browser: every tab of the portal connects to it, so that there is one watch connection however many are open. */
const hub = createHub({
  get: (path) => request("GET", path),
  stream: (path, options) => readEventStream(API + path, options),
});

interface SharedWorkerScope {
  onconnect: ((event: MessageEvent) => void) | null;
}

(self as unknown as SharedWorkerScope).onconnect = (event) => {
  const port = event.ports[0];
  if (!port) return;
  const receive = hub.attach((message) => port.postMessage(message));
  port.onmessage = (message: MessageEvent<FromTab>) => receive(message.data);
};
