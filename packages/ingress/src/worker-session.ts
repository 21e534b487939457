import { connect, type Socket } from "node:net";
import { AppError } from "@plimsoll/core";

const ANSWER_TIMEOUT_MS = 3_000;
/** Silence after which HAProxy ends the session itself, so that we, when we hang, do not keep a worker for longer. */
const SILENCE = "60s";
const PROMPT = "\n> ";

/**
 * A conversation with one worker on the runtime socket. HAProxy counts it among the worker's jobs: a replaced worker does not end while it
 * is open. It does not keep our own process running. One question at a time.
 */
export class WorkerSession {
  readonly #socket: Socket;
  #text = "";
  #heard: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.unref();
    socket.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString("latin1");
      this.#heard();
    });
    socket.on("error", () => undefined); // Its close follows.
    socket.on("close", () => this.#heard());
  }

  /** With the worker that takes new connections. AppError `unavailable` when nobody answers. */
  static async open(socketPath: string): Promise<WorkerSession> {
    const session = new WorkerSession(connect(socketPath));
    await session.ask("prompt");
    await session.ask(`set timeout cli ${SILENCE}`);
    return session;
  }

  /** AppError `unavailable` when the worker does not answer (any more); the session is over then. */
  ask(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.close(), ANSWER_TIMEOUT_MS);
      this.#heard = () => {
        const isOver = this.#socket.destroyed;
        if (!isOver && !this.#text.endsWith(PROMPT)) return;
        clearTimeout(timer);
        this.#heard = () => undefined;
        if (isOver) reject(new AppError("unavailable", "A worker of the ingress does not answer; what it counted last is lost."));
        else resolve(this.#text.slice(0, -PROMPT.length));
      };
      this.#text = "";
      this.#socket.write(`${command}\n`);
      this.#heard();
    });
  }

  /** A replaced worker that has nothing else to do ends then. Idempotent. */
  close(): void {
    this.#socket.destroy();
    this.#heard();
  }
}
