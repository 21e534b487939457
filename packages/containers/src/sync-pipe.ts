import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { AppError } from "@plimsoll/core";
import { pipe } from "@plimsoll/host";

const CREATE_TIMEOUT_MS = 30_000;

/**
 * The pipe on which conmon tells what became of a container. conmon inherits both ends: with a reader always there, it does not die of
 * SIGPIPE when whoever launched it is killed in the middle, and finishes the launch by itself.
 */
export class SyncPipe {
  readonly #readEnd: number;
  readonly #writeEnd: number;

  constructor() {
    [this.#readEnd, this.#writeEnd] = pipe();
  }

  /** For the child's stdio, from SYNC_PIPE_FD on. */
  get inherited(): readonly [number, number] {
    return [this.#writeEnd, this.#readEnd];
  }

  /**
   * The first line, to be asked for once the child has been spawned; empty when it ended without one. Closes our ends. Throws AppError
   * `timeout` after 30 s.
   */
  firstLine(): Promise<string> {
    closeSync(this.#writeEnd);
    const socket = new Socket({ fd: this.#readEnd, readable: true, writable: false });
    return new Promise((resolve, reject) => {
      let received = "";
      const settle = (done: () => void) => {
        clearTimeout(timer);
        socket.destroy();
        done();
      };
      const timer = setTimeout(
        () => settle(() => reject(new AppError("timeout", `The container was not created within ${CREATE_TIMEOUT_MS / 1_000} s.`))),
        CREATE_TIMEOUT_MS,
      );
      socket.on("data", (chunk: Buffer) => {
        received += chunk.toString();
        if (received.includes("\n")) settle(() => resolve(received));
      });
      socket.once("end", () => settle(() => resolve(received)));
      socket.once("error", (error) => settle(() => reject(error)));
    });
  }

  /** Where nothing was spawned. */
  close(): void {
    closeSync(this.#readEnd);
    closeSync(this.#writeEnd);
  }
}
