import { chmod, mkdir, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { AppError, errorText, newSecret } from "@plimsoll/core";
import type { GitLogger } from "../ports.ts";
import { ProcReceive } from "../proc-receive.ts";
import { exitHook, toPerson } from "./frames.ts";

/** sun_path of a unix socket, without its final zero byte. */
const MAX_SOCKET_PATH = 107;
const MAX_NAME_BYTES = 100;
const NAME_TIMEOUT_MS = 5_000;

/**
 * Where the hooks of running pushes connect. A hook names the session that its git process was started for; nothing else reaches a
 * session, and only our own user reaches the socket.
 */
export class HookServer<Session> {
  readonly #path: string;
  readonly #sessions = new Map<string, Session>();
  readonly #onPush: (session: Session, conversation: ProcReceive) => Promise<void>;
  readonly #logger: GitLogger;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(path: string, onPush: (session: Session, conversation: ProcReceive) => Promise<void>, logger: GitLogger) {
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
      throw new AppError("unsupported", `The socket path ${path} is longer than ${MAX_SOCKET_PATH} bytes: use a shorter data directory.`);
    }
    this.#path = path;
    this.#onPush = onPush;
    this.#logger = logger;
  }

  async listen(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    await rm(this.#path, { force: true });
    const server = createServer({ allowHalfOpen: true }, (socket) => void this.#serve(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#path, () => resolve());
    });
    await chmod(this.#path, 0o600);
    this.#server = server;
  }

  /** Ends every conversation; the hooks tell the pusher that the platform stopped answering. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await rm(this.#path, { force: true });
  }

  /** What a git process needs in its environment so that its hook finds this session; `forget` when the process has ended. */
  admit(session: Session): { readonly environment: Readonly<Record<string, string>>; readonly forget: () => void } {
    const name = newSecret();
    this.#sessions.set(name, session);
    return {
      environment: { PLIMSOLL_HOOK_SOCKET: this.#path, PLIMSOLL_HOOK_SESSION: name },
      forget: () => void this.#sessions.delete(name),
    };
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    const timer = setTimeout(() => socket.destroy(), NAME_TIMEOUT_MS);
    try {
      const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      const { name, rest } = await readName(chunks);
      clearTimeout(timer);
      const session = this.#sessions.get(name);
      // A session takes one push: a second conversation under its name is somebody else's.
      if (session === undefined || !this.#sessions.delete(name)) {
        socket.end(Buffer.concat([toPerson(["This push is not known to the platform: push again."]), exitHook(1)]));
        return;
      }
      await this.#onPush(session, new ProcReceive(socket, chunks, rest));
    } catch (error) {
      this.#logger.warn("a git hook's conversation broke off", { error: errorText(error) });
      if (socket.writable) socket.end(exitHook(1));
    } finally {
      clearTimeout(timer);
    }
  }
}

async function readName(chunks: AsyncIterator<Buffer>): Promise<{ name: string; rest: Buffer }> {
  let read: Buffer = Buffer.alloc(0);
  for (;;) {
    const end = read.indexOf(0x0a);
    if (end !== -1) return { name: read.toString("latin1", 0, end), rest: read.subarray(end + 1) };
    if (read.length > MAX_NAME_BYTES) throw new Error("a hook sent no session name");
    const chunk = await chunks.next();
    if (chunk.done === true) throw new Error("a hook left before it named its session");
    read = Buffer.concat([read, chunk.value]);
  }
}
