import type { PlatformRegistry } from "@plimsoll/containers";
import { AppError } from "@plimsoll/core";
import type { ServerApi } from "./api-client.ts";

/** The platform's registry through the server. Base images are known before the server is: until then it has no host, and nothing is of it. */
export class ServerRegistry implements PlatformRegistry {
  #api: Pick<ServerApi, "imageManifest" | "imageBlob"> | undefined;
  #host: () => string | undefined = () => undefined;

  /** From now on images come from this server; `host` is what it says its registry is called. */
  use(api: Pick<ServerApi, "imageManifest" | "imageBlob">, host: () => string | undefined): void {
    this.#api = api;
    this.#host = host;
  }

  host(): string | undefined {
    return this.#host();
  }

  manifest(namespaceUid: string, reference: string) {
    return this.#server().imageManifest(namespaceUid, reference);
  }

  blob(namespaceUid: string, reference: string, digest: string) {
    return this.#server().imageBlob(namespaceUid, reference, digest);
  }

  #server(): Pick<ServerApi, "imageManifest" | "imageBlob"> {
    if (this.#api !== undefined) return this.#api;
    throw new AppError("unavailable", "The server is not known to this host yet; it is tried again.");
  }
}
