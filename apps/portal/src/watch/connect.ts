import { API, request } from "#api/request.ts";
import { readEventStream } from "#stream/event-stream.ts";
import { createHub } from "./hub.ts";
import type { FromTab, ToTab } from "./protocol.ts";

/** Connects this tab to the browser's hub: in the shared worker, or in the page itself where there are no shared workers. */
export function connectToHub(onMessage: (message: ToTab) => void): (message: FromTab) => void {
  if (typeof SharedWorker === "undefined") return hubInPage(onMessage);
  try {
    const worker = new SharedWorker(new URL("./worker.ts", import.meta.url), { name: "plimsoll-watch" });
    worker.port.onmessage = (event: MessageEvent<ToTab>) => onMessage(event.data);
    worker.port.start();
    return (message) => worker.port.postMessage(message);
  } catch {
    return hubInPage(onMessage); // some private modes have the constructor and refuse its use
  }
}

function hubInPage(onMessage: (message: ToTab) => void): (message: FromTab) => void {
  return createHub({
    get: (path) => request("GET", path),
    stream: (path, options) => readEventStream(API + path, options),
  }).attach(onMessage);
}

/** Makes every open tab drop what it shows: somebody else is signed in now. */
export function forgetEverywhere(): void {
  const send = connectToHub(() => undefined);
  send({ type: "forget" });
  send({ type: "bye" });
}
