import { pipeline, Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { Logger } from "@plimsoll/config";
import { type InstanceRuntime, type LayerStore, ociArchive } from "@plimsoll/containers";
import type { StreamRequest } from "@plimsoll/contracts";
import { isDigest } from "@plimsoll/core";
import type { ServerApi } from "./api-client.ts";

/** Answers what people and other hosts ask of this one: logs of instances, archives of layers. Each request is answered once. */
export class StreamAnswers {
  readonly #deps: { readonly api: ServerApi; readonly runtime: InstanceRuntime; readonly layers: LayerStore; readonly log: Logger };
  readonly #answered = new Set<string>();

  constructor(deps: { readonly api: ServerApi; readonly runtime: InstanceRuntime; readonly layers: LayerStore; readonly log: Logger }) {
    this.#deps = deps;
  }

  apply(requests: readonly StreamRequest[]): void {
    const asked = new Set(requests.map(({ id }) => id));
    for (const id of this.#answered) if (!asked.has(id)) this.#answered.delete(id);
    for (const request of requests) {
      if (this.#answered.has(request.id)) continue;
      this.#answered.add(request.id);
      void this.#answer(request);
    }
  }

  async #answer(request: StreamRequest): Promise<void> {
    const abort = new AbortController();
    const body = this.#body(request, abort.signal);
    try {
      await this.#deps.api.answerStream(request.id, body);
    } catch (error) {
      this.#deps.log.debug("a stream ended early", { stream: request.id, kind: request.kind, error });
    } finally {
      abort.abort();
      body.destroy();
    }
  }

  #body(request: StreamRequest, signal: AbortSignal): Readable {
    switch (request.kind) {
      case "layer":
        return isDigest(request.digest) && this.#deps.layers.has(request.digest)
          ? archiveOf(this.#deps.layers.exportArchive(request.digest), request.form)
          : Readable.from([]);
      case "instance-log":
        return Readable.from(this.#logLines(request, signal));
    }
  }

  /** One JSON object a line: contracts' LogLine. */
  async *#logLines(request: Extract<StreamRequest, { kind: "instance-log" }>, signal: AbortSignal): AsyncGenerator<string> {
    const { runtime } = this.#deps;
    const { namespaceUid, instanceUid, tail, after } = request;
    const lines = request.follow
      ? runtime.followLog(namespaceUid, instanceUid, { tail, signal, ...(after === undefined ? {} : { after }) })
      : await runtime.tailLog(namespaceUid, instanceUid, tail);
    for await (const line of lines) yield `${JSON.stringify(line)}\n`;
  }
}

/** For a registry, by one thread. Somebody waits for it: half the time of the usual level, for a few more bytes in a hundred. */
function archiveOf(archive: Readable, form: "oci-gzip" | undefined): Readable {
  if (form === undefined) return archive;
  // An error, or a reader who leaves, ends all of it; who reads is told by the stream itself.
  return pipeline(Readable.from(ociArchive(archive)), createGzip({ level: 3 }), () => undefined);
}
