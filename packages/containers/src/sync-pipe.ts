import type { Readable } from "node:stream";
import { AppError } from "@plimsoll/core";

const CREATE_TIMEOUT_MS = 30_000;

/**
 * The first line that conmon writes on its sync pipe, empty when it ended without one. It keeps the pipe open afterwards; our end is closed.
 * Throws AppError `timeout` after 30 s.
 */
export function firstLine(pipe: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = "";
    const settle = (done: () => void) => {
      clearTimeout(timer);
      pipe.destroy();
      done();
    };
    const timer = setTimeout(
      () => settle(() => reject(new AppError("timeout", `The container was not created within ${CREATE_TIMEOUT_MS / 1000} s.`))),
      CREATE_TIMEOUT_MS,
    );
    pipe.on("data", (chunk: Buffer) => {
      received += chunk.toString();
      if (received.includes("\n")) settle(() => resolve(received));
    });
    pipe.once("end", () => settle(() => resolve(received)));
    pipe.once("error", (error) => settle(() => reject(error)));
  });
}
